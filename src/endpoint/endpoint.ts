/**
 * A socket in the kernel together with its place in the poll loop: everything under `Socket` that has a descriptor.
 *
 * Results are counts or negative errno numbers. Before there is a descriptor all calls give EBADF, as in Node.
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import { EventEmitter } from "node:events";
import { Descriptor } from "../../ffi/descriptor.ts";
import { ERROR } from "../../ffi/poll/poller.ts";
import type { EventContext } from "../../ffi/runtimes/async_context.ts";
import type { EncodedControls } from "../../ffi/wire/control.ts";
import { ANY, type IpVersion, parseIp } from "../../ffi/wire/inet.ts";
import { type AddressFamily, encodeAddress, type EncodedAddress, type SocketAddress } from "../../ffi/wire/sockaddr.ts";
import type { OptionName } from "../../ffi/wire/sockopt.ts";
import type { LateWatcher } from "../loop/loop.ts";
import { ErrorReceiver, type ErrorReceivingSocket } from "../receiving/error_receiver.ts";
import type { Inbox } from "../receiving/inbox.ts";
import type { MessageBatch } from "../receiving/message_batch.ts";
import type { NetworkError } from "../receiving/network_error.ts";
import { Receiver, type ReceivingSocket } from "../receiving/receiver.ts";
import type { ReceiveDetails, RemoteInfo, TransmitTimestamp } from "../receiving/types.ts";
import type { SendRequest } from "../sending/callbacks.ts";
import { type Path, Paths, pathTo } from "../sending/path.ts";
import { lengthOf, type Payload } from "../sending/payload.ts";
import { NO_OFFLOAD, type Offload, type Segments } from "../sending/segments.ts";
import { type MessageSender, Sender, type SendingSocket } from "../sending/sender.ts";
import type { AddressPolicy } from "./address_policy.ts";
import { EndpointControls } from "./controls.ts";
import type { Engine } from "./engine.ts";
import type { SocketEvents } from "./events.ts";
import type { ApartReason, BindFlags } from "./options.ts";
import type { SharedDescriptor } from "./shared_descriptor.ts";

/** Who hears what the endpoint receives: the socket. */
export type Listeners = Pick<EventEmitter<SocketEvents>, "emit" | "listenerCount">;

/** One datagram socket below its public surface. */
export class Endpoint extends EndpointControls
  implements SendingSocket, ReceivingSocket, ErrorReceivingSocket, LateWatcher {
  readonly family: AddressFamily;
  readonly #engine: Engine;
  readonly #policy: AddressPolicy;
  readonly #listeners: Listeners;
  // Made when they are first used, as there may be ten thousand idle sockets.
  #sender: MessageSender | undefined;
  #receiver: Receiver | undefined;
  #errorReceiver: ErrorReceiver | undefined;
  /** Gives listeners the asynchronous context in which the socket was made. */
  readonly #context: EventContext;
  readonly #offload: Offload;
  #descriptor: Descriptor | undefined;
  /** What there was before a descriptor was adopted, until that is settled. */
  #before: { descriptor: Descriptor | undefined; wasBound: boolean; connected: boolean; isShared: boolean } | undefined;
  /** The descriptor as it was given to this process, where it was. */
  #shared: SharedDescriptor | undefined;
  /** For the receiver: whether other processes receive from the socket, too. */
  isShared = false;
  /** Why datagrams are not to come together; undefined: for no reason. */
  #apart: Set<ApartReason> | undefined;
  /** Whether others may be bound to the same port (SO_REUSEPORT), and the port that it is in a group for; 0: none. */
  #sharesPort = false;
  #groupPort = 0;
  /** For the poll loop; 0 while it does not receive. */
  token = 0;
  /** Whether bind(2) was tried, or somebody else did: then nothing here binds by itself. */
  #wasBound = false;
  /** Whether its protocol has segments: an adopted socket's may be another, as ICMP's for echo requests. */
  #isUdp = true;
  /** Whether somebody else made the descriptor, who may use it still. */
  #wasAdopted = false;
  /** What the sender has asked for since it may have changed. */
  #wantsPathMtu: boolean | undefined;
  #paths: Paths | undefined;
  #peerPath: Path | undefined;
  #connected = false;
  #referenced = true;
  #awaitsRoom = false;
  /** Whether there is an error, and no receiver for the error queue. */
  #hasUnwantedErrors = false;
  /** Emits `'message'`; made for the first one. */
  #emitInContext: ((message: Buffer<ArrayBuffer>, remote: RemoteInfo) => void) | undefined;

  constructor(
    engine: Engine,
    family: AddressFamily,
    offload: Offload,
    policy: AddressPolicy,
    listeners: Listeners,
  ) {
    super();
    this.family = family;
    this.#engine = engine;
    this.#context = engine.runtime.asyncContexts.open();
    this.#policy = policy;
    this.#listeners = listeners;
    this.#offload = engine.runtime.offload ? offload : NO_OFFLOAD;
  }

  /** The IP version of a UDP socket. A Unix socket has none, and nothing asks it for one. */
  get version(): IpVersion {
    return this.family as IpVersion;
  }

  /** The descriptor, or -1 where there is none yet or none any more. */
  get fd(): number {
    return this.#descriptor?.fd ?? -1;
  }

  /** For async_hooks: the socket. */
  get asyncId(): number {
    return this.#context.asyncId();
  }

  /** Makes the descriptor, unless there is one. */
  open(): number {
    if (this.#descriptor) return 0;
    const opened = Descriptor.open(this.#engine.runtime.libc, this.family);
    if (typeof opened === "number") return opened;
    this.#hold(opened);
    return 0;
  }

  /**
   * Takes over a descriptor that was found fit, in the place of one that is not bound yet. Either {@linkcode Endpoint.settle} or
   * {@linkcode Endpoint.release} is to follow.
   */
  adopt(fd: number, isLent = false): void {
    this.#before = {
      descriptor: this.#descriptor,
      wasBound: this.#wasBound,
      connected: this.#connected,
      isShared: this.isShared,
    };
    this.#hold(Descriptor.adopt(this.#engine.runtime.libc, fd, isLent));
    this.optionsChanged();
    this.#isUdp = this.#descriptor!.isUdp;
    this.#wasAdopted = true;
    this.#peerPath = undefined;
    this.#wasBound = true;
    this.#sharesPort = this.peekOption("SO_REUSEPORT") > 0;
    this.#connected = typeof this.remoteAddress() !== "number";
  }

  /** Keeps the adopted descriptor: closes the one it took the place of. */
  settle(): void {
    this.#before?.descriptor?.close();
    this.#before = undefined;
  }

  /** Takes a descriptor that other processes have, too, and receives. {@linkcode Endpoint.settle} is to follow. */
  share(shared: SharedDescriptor): number {
    this.adopt(shared.fd, true);
    this.#shared = shared;
    this.isShared = true;
    const result = this.startReceivingAdopted();
    if (result < 0) this.giveBackShared();
    return result;
  }

  /** Undoes `share`: its owner closes the descriptor, and the socket has the one that it had. */
  giveBackShared(): void {
    const shared = this.#shared;
    this.#shared = undefined;
    this.stopReceiving();
    this.release();
    shared?.close();
  }

  /** Another descriptor of this socket, for another process, which may not know UDP_GRO; or a negative errno. */
  duplicate(): number {
    this.isShared = true;
    this.setOption("UDP_GRO", 0);
    return this.with((descriptor) => descriptor.duplicate());
  }

  /** Lets go of a descriptor that its owner is about to close. From now on all calls give EBADF. */
  abandon(): void {
    this.#engine.outbox.flush();
    this.stopReceiving();
    this.release();
    this.#shared = undefined;
  }

  /** Gives an adopted descriptor back: it is not closed with this socket, which has what it had before. */
  release(): void {
    const before = this.#before;
    this.#before = undefined;
    this.#engine.endpoints?.delete(this);
    this.#descriptor?.release();
    this.#descriptor = undefined;
    if (!before) return;
    this.#wasBound = before.wasBound;
    this.#connected = before.connected;
    this.isShared = before.isShared;
    if (before.descriptor) this.#hold(before.descriptor);
  }

  /** The program ends, and its process goes on: as {@linkcode Endpoint.close}, but the socket emits nothing. */
  end(): void {
    this.stopReceiving();
    if (!this.#shared) this.#descriptor?.close();
    this.#descriptor = undefined;
  }

  /**
   * bind(2) with the options that must be set before it, and receives. Opens the descriptor. Receiving starts before bind(2), which
   * cannot be undone: whatever fails, the socket can be bound afterwards.
   */
  bindAndReceive(address: string, port: number, flags: BindFlags): number {
    return this.#bind(address, port, flags, true);
  }

  #bind(address: string, port: number, flags: BindFlags, receives: boolean): number {
    const { libc } = this.#engine.runtime;
    const encoded = encodeAddress(libc, this.family, address, port);
    if (!encoded || (flags.ipv6Only && this.version === 4)) return -libc.abi.errno.EINVAL;
    const result = this.setBindFlags(flags) || this.requestDetails();
    if (result < 0) return result;
    this.#sharesPort = flags.reusePort;
    const bound = receives ? this.receiveWith(() => this.#bindDescriptor(encoded)) : this.#bindDescriptor(encoded);
    // macOS says EAFNOSUPPORT where Linux says EINVAL.
    return bound === -libc.abi.errno.EAFNOSUPPORT ? -libc.abi.errno.EINVAL : bound;
  }

  #bindDescriptor(address: EncodedAddress): number {
    this.#wasBound = true;
    return this.#descriptor!.bind(address);
  }

  /** Starts to receive and then makes a call upon which datagrams can come. If that fails, the socket does not receive either. */
  protected receiveWith(call: () => number): number {
    if (this.token > 0) return call();
    try {
      const started = this.startReceiving();
      const result = started < 0 ? started : call();
      if (result < 0) this.stopReceiving();
      else if (this.#sharesPort) this.#joinGroup();
      return result;
    } catch (error) {
      this.stopReceiving();
      throw error;
    }
  }

  /** Binds to any address and a port of the system's choice, unless `bind` was called before; as in Node, even if it failed. */
  bindIfUnbound(): number {
    if (this.#wasBound) return 0;
    return this.#bind(ANY[this.version], 0, { reuseAddr: false, reusePort: false, ipv6Only: false }, false);
  }

  /** The runtime's error where binding by itself is not permitted: joining a multicast group does that. */
  implicitBindRefusal(): Error | undefined {
    return this.#wasBound ? undefined : this.#policy.refused(ANY[this.version], 0);
  }

  /** Lets datagrams come in, which are heard from the next turn of the event loop on. */
  startReceiving(): number {
    const asked = this.requestDetails();
    if (asked < 0) return asked;
    this.#engine.loop.watchLater(this);
    this.#updateReference();
    return 0;
  }

  /** The same for a descriptor that was taken over. EEXIST where it is another socket's already. */
  startReceivingAdopted(): number {
    const asked = this.requestDetails();
    if (asked < 0) return asked;
    const { loop } = this.#engine;
    loop.watchDue();
    const watched = loop.watch(this);
    if (watched < 0) return watched;
    if (this.#sharesPort) this.#joinGroup();
    this.onWatched();
    this.#updateReference();
    return 0;
  }

  /**
   * For the poll loop. If the kernel has no UDP_GRO, datagrams come one by one. It says nothing about sending, so what was collected
   * need not leave first; and it may be leaving just now.
   */
  onWatched(): void {
    if (this.#offload.gro && !this.isShared && !this.#apart) this.#descriptor?.setOption("UDP_GRO", 1);
  }

  /** For the poll loop. */
  onUnwatched(errno: number): void {
    this.#emit("error", this.#engine.errors.ofCall(errno, "poll"));
  }

  override keepApart(reason: ApartReason, apart: boolean): void {
    const reasons = this.#apart ?? new Set();
    const before = reasons.size > 0;
    if (apart) reasons.add(reason);
    else reasons.delete(reason);
    this.#apart = reasons.size > 0 ? reasons : undefined;
    const receives = this.token > 0 && this.#offload.gro && !this.isShared;
    if (receives && before !== reasons.size > 0) this.setOption("UDP_GRO", this.#apart ? 0 : 1);
  }

  /** A program chooses among the sockets of this one's port, or does so no more. */
  setPortFiltered(filtered: boolean): void {
    this.keepApart("portFilter", filtered);
    if (this.#groupPort > 0) this.#engine.reusePortGroups.setFiltered(this.#groupPort, filtered);
  }

  /** Joins the sockets of the same port, as soon as there is a port. */
  #joinGroup(): void {
    const local = this.localAddress();
    if (typeof local === "number" || local.port === 0) return;
    const { reusePortGroups } = this.#engine;
    this.#groupPort = local.port;
    reusePortGroups.join(this, local.port);
    if (this.#apart?.has("portFilter")) reusePortGroups.setFiltered(local.port, true);
  }

  /** For the poll loop. */
  onReadable(): boolean {
    const receiver = this.#receiver ??= new Receiver(this.inbox, this, this.#engine.runtime.libc.abi.errno.EAGAIN);
    return receiver.step() || (this.#hasUnwantedErrors && this.#discardErrors());
  }

  /** For the poll loop. */
  onTurnOver(): boolean {
    return this.#receiver?.endTurn() ?? false;
  }

  /** For the poll loop. */
  onWritable(): void {
    this.#sender?.resume();
  }

  /** connect(2). A UDP socket that has a peer gives EISCONN, as libuv has it: a lookup may answer twice. */
  connect(address: string, port: number): number {
    const { libc } = this.#engine.runtime;
    if (this.#connected && this.family !== "unix") return -libc.abi.errno.EISCONN;
    const encoded = encodeAddress(libc, this.family, address, port);
    if (!encoded) return -libc.abi.errno.EINVAL;
    const result = this.with((descriptor) => descriptor.connect(encoded));
    this.#peerPath = undefined;
    this.#connected ||= result === 0;
    return result;
  }

  /** connect(2) to nobody. */
  disconnect(): number {
    const result = this.with((descriptor) => descriptor.disconnect());
    this.#peerPath = undefined;
    this.#connected &&= result !== 0;
    return result;
  }

  /** getsockname(2) */
  localAddress(): SocketAddress | number {
    return this.#descriptor?.localAddress() ?? this.#notOpen;
  }

  /** getpeername(2) */
  remoteAddress(): SocketAddress | number {
    return this.#descriptor?.remoteAddress() ?? this.#notOpen;
  }

  /** Encodes a destination; undefined where the text is no address of this socket's family. */
  encode(address: string, port: number): EncodedAddress | undefined {
    return encodeAddress(this.#engine.runtime.libc, this.family, address, port);
  }

  /**
   * Sends a message at the end of the turn, or as soon as there is room. To the peer of a connected socket the first one of a turn
   * leaves at once, as in Node: a program may rely on its having left, whatever it does next.
   */
  send(
    payload: Payload,
    length: number,
    address: EncodedAddress | undefined,
    request: SendRequest | undefined,
    controls?: EncodedControls,
  ): void {
    this.collect(payload, length, address, request, controls);
    if (address !== undefined) return;
    try {
      this.#sender?.leave();
    } catch {
      // The message was taken: it leaves at the end of the turn. If that fails, too, it is heard there.
    }
  }

  /** Takes a message that leaves at the end of the turn, or when {@linkcode Endpoint.leave} is called. */
  collect(
    payload: Payload,
    length: number,
    address: EncodedAddress | undefined,
    request: SendRequest | undefined,
    controls?: EncodedControls,
  ): void {
    // As libuv has it; the kernel would let it pass.
    if (address && this.#connected) request?.finish(-this.#engine.runtime.libc.abi.errno.EISCONN);
    else (this.#sender ??= this.makeSender()).add(payload, length, address, request, controls);
  }

  /** What was collected leaves at once, if it is the socket's first in this turn. */
  leave(): void {
    this.#sender?.leave();
  }

  /** Takes several messages. */
  collectSegments(
    segments: Segments,
    address: EncodedAddress | undefined,
    request: SendRequest | undefined,
    controls: EncodedControls | undefined,
  ): void {
    const sender = this.#sender ??= this.makeSender();
    const canJoin = segments.count > 1 && !(address && this.#connected);
    if (canJoin && sender.addSegments?.(segments, address, request, controls)) return;
    for (const message of segments.messages()) this.collect(message, lengthOf(message), address, request, controls);
  }

  /** Bytes and messages that wait for room in the kernel. */
  get sendQueue(): { size: number; count: number } {
    return { size: this.#sender?.queuedBytes ?? 0, count: this.#sender?.queuedCount ?? 0 };
  }

  /** Whether a receiving socket keeps the process alive. */
  setReferenced(referenced: boolean): void {
    this.#referenced = referenced;
    this.#updateReference();
  }

  /** For the receiver. */
  drops(sender: SocketAddress): boolean {
    return this.#policy.drops(sender);
  }

  /** For the receiver. An `emit` of the program's own sees every datagram, whether or not there are listeners. */
  hasMessageListeners(): boolean {
    const listeners = this.#listeners;
    return listeners.listenerCount("message") > 0 || listeners.emit !== EventEmitter.prototype.emit;
  }

  /** For the receiver. */
  deliver(message: Buffer<ArrayBuffer>, remote: RemoteInfo): void {
    this.#context.run(this.#emitInContext ??= (message, remote) => this.emitMessage(message, remote), message, remote);
  }

  /** Emits `'message'`. */
  protected emitMessage(message: Buffer<ArrayBuffer>, remote: RemoteInfo): void {
    this.#listeners.emit("message", message, remote);
  }

  /** For the receiver. */
  hasBatchListeners(): boolean {
    return this.#listeners.listenerCount("messages") > 0;
  }

  /** For the receiver. */
  deliverBatch(batch: MessageBatch): void {
    this.#emit("messages", batch);
  }

  /** For the receiver: nothing comes with UDP datagrams that would have to be released. */
  discard(_details: ReceiveDetails | undefined): void {}

  /** For the receiver. */
  fail(errno: number): void {
    if (!this.#errorReceiver?.repeats(errno)) this.#emit("error", this.#engine.errors.ofCall(errno, "recvmsg"));
  }

  /** What this socket has on its error queue. */
  get errorReceiver(): ErrorReceiver {
    const { errorQueue, runtime } = this.#engine;
    return this.#errorReceiver ??= new ErrorReceiver(errorQueue, this, runtime.libc.abi);
  }

  /** For the poll loop. */
  onError(): boolean {
    const receiver = this.#errorReceiver;
    this.#hasUnwantedErrors = receiver === undefined;
    return receiver !== undefined && receiver.step();
  }

  /**
   * Empties an error queue that nobody has asked for: an adopted descriptor may have one, and is ready for as long as something lies on
   * it. Not before the socket is read, as this takes the error off it that `'error'` is to report.
   */
  #discardErrors(): boolean {
    this.#hasUnwantedErrors = false;
    const discarded = this.#engine.errorQueue.read(this.fd);
    return typeof discarded !== "number" && discarded.length > 0;
  }

  /** For the error receiver. */
  requestErrorTurn(): void {
    this.#engine.loop.requestTurn(this, ERROR);
  }

  protected deliverTimestamp(timestamp: TransmitTimestamp): void {
    this.#emit("timestamp", timestamp);
  }

  protected updateSegments(): void {
    // What was sent before goes as it would have gone.
    this.#engine.outbox.flush();
    this.#sender?.allowSegments?.(this.#mayJoinSegments());
  }

  /** For the error receiver. */
  deliverNetworkError(error: NetworkError): void {
    this.#emit("networkError", error);
  }

  /** For the sender. */
  mayRetry(errno: number, attempt: number): boolean {
    return this.#errorReceiver !== undefined && this.#errorReceiver.mayRetry(errno, attempt);
  }

  /** For the sender. */
  refusal(): number {
    return this.#errorReceiver?.takesNetworkErrors ? this.#errorReceiver.localError() : 0;
  }

  /** For the sender: read once after each change. */
  wantsPathMtu(): boolean {
    const { linux } = this.#engine.runtime.libc.abi;
    return this.#wantsPathMtu ??= linux !== undefined && this.peekOption("IP_MTU_DISCOVER") === linux.IP_PMTUDISC_WANT;
  }

  /** For the sender. */
  get isSole(): boolean {
    return !this.isShared && !this.#wasAdopted;
  }

  /** For the sender. */
  get keepsRefusals(): boolean {
    return this.#errorReceiver?.takesNetworkErrors ?? false;
  }

  /** For the sender. */
  forbidFragments(forbidden: boolean): number {
    const { IP_PMTUDISC_DO, IP_PMTUDISC_WANT } = this.#engine.runtime.libc.abi.linux!;
    const mode = forbidden ? IP_PMTUDISC_DO : IP_PMTUDISC_WANT;
    return this.#descriptor?.setOption("IP_MTU_DISCOVER", mode) ?? 0;
  }

  /** For the sender. */
  pathTo(address: EncodedAddress | undefined): Path | undefined {
    return address ? (this.#paths ??= this.#makePaths()).to(address) : this.#peerPath ??= this.#pathToPeer();
  }

  #makePaths(): Paths {
    const { sockaddr_in, sockaddr_in6 } = this.#engine.runtime.libc.abi.layouts;
    return new Paths(this.version, this.version === 4 ? sockaddr_in.sin_addr : sockaddr_in6.sin6_addr);
  }

  #pathToPeer(): Path | undefined {
    const peer = this.remoteAddress();
    const ip = typeof peer === "number" ? undefined : parseIp(peer.address);
    return ip && pathTo(this.version, ip.bytes);
  }

  protected override optionsChanged(): void {
    super.optionsChanged();
    this.#wantsPathMtu = undefined;
  }

  /** For the sender. */
  unsentBytes(): number {
    const { linux } = this.#engine.runtime.libc.abi;
    return linux ? this.#descriptor?.readInt(linux.SIOCOUTQ) ?? 0 : 0;
  }

  /** For the sender. A message that waits keeps even an unreferenced socket's process alive. */
  awaitRoom(waiting: boolean): void {
    if (this.#awaitsRoom === waiting) return;
    this.#engine.loop.setWritable(this, waiting);
    this.#awaitsRoom = waiting;
    this.#updateReference();
  }

  /** Sends what this turn has collected, leaves the loop, closes the descriptor, and cancels what still waits. */
  close(): void {
    this.#engine.outbox.flush();
    this.stopReceiving();
    this.settle();
    if (this.#shared) this.#shared.close();
    else this.#descriptor?.close();
    this.#descriptor = undefined;
    this.#engine.endpoints?.delete(this);
    this.#sender?.cancel();
    this.#context.emitDestroy();
  }

  /** Leaves the poll loop. */
  protected stopReceiving(): void {
    this.#engine.loop.end(this);
    if (this.#groupPort > 0) this.#engine.reusePortGroups.leave(this, this.#groupPort);
    this.#groupPort = 0;
    this.#receiver?.stop();
    this.#errorReceiver?.stop();
  }

  /** Where its datagrams arrive. */
  protected get inbox(): Inbox {
    return this.#engine.inbox;
  }

  /** Makes the sending side. */
  protected makeSender(): MessageSender {
    const { outbox, runtime } = this.#engine;
    return new Sender(runtime.libc, outbox, this, this.#mayJoinSegments());
  }

  /** Whether several messages may go to the kernel as one payload: not if each is to have a timestamp. */
  #mayJoinSegments(): boolean {
    return this.#offload.gso && this.#isUdp && !this.reportsTransmitTimestamps;
  }

  protected override peekOption(name: OptionName): number {
    return this.#descriptor?.getOption(name) ?? this.#notOpen;
  }

  get #notOpen(): number {
    return -this.#engine.runtime.libc.abi.errno.EBADF;
  }

  #hold(descriptor: Descriptor): void {
    this.#descriptor = descriptor;
    this.#engine.endpoints?.add(this);
  }

  protected get engine(): Engine {
    return this.#engine;
  }

  protected with<Result>(call: (descriptor: Descriptor) => Result | number): Result | number {
    this.#engine.outbox.flush();
    return this.#descriptor ? call(this.#descriptor) : this.#notOpen;
  }

  /** Emits an event in the context of whoever made the socket. */
  #emit<Name extends keyof SocketEvents>(name: Name, value: SocketEvents[Name][0]): void {
    const emit = this.#listeners.emit as (name: Name, value: SocketEvents[Name][0]) => boolean;
    this.#context.run((name, value) => emit.call(this.#listeners, name, value), name, value);
  }

  #updateReference(): void {
    this.#engine.loop.setReferenced(this, this.#referenced || this.#awaitsRoom);
  }
}
