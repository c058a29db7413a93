/**
 * A socket in the kernel together with its place in the poll loop: everything under `Socket` that has a descriptor.
 *
 * Results are counts or negative errno numbers. Before there is a descriptor all calls give EBADF, as in Node.
 *
 * @module
 */
import { AsyncResource } from "node:async_hooks";
import type { Buffer } from "node:buffer";
import type { EventEmitter } from "node:events";
import type { EncodedControls } from "../ffi/control.ts";
import { Descriptor } from "../ffi/descriptor.ts";
import {
  type AddressFamily,
  encodeAddress,
  type EncodedAddress,
  type IpVersion,
  type SocketAddress,
} from "../ffi/sockaddr.ts";
import type { SharedDescriptor } from "./cluster.ts";
import { EndpointControls } from "./endpoint_controls.ts";
import type { BindFlags, FilterPlace } from "./endpoint_options.ts";
import type { Engine } from "./engine.ts";
import { ErrorReceiver, type ErrorReceivingSocket } from "./error_receiver.ts";
import { ANY } from "./lookup.ts";
import type { Inbox } from "./inbox.ts";
import type { LateWatcher } from "./loop.ts";
import type { MessageBatch } from "./message_batch.ts";
import type { NetworkError } from "./network_error.ts";
import type { Payload } from "./outbox.ts";
import { Receiver, type ReceivingSocket } from "./receiver.ts";
import type { Permissions } from "./permissions.ts";
import type { RemoteInfo, SocketEvents, TransmitTimestamp } from "./types.ts";
import type { Offload, Segments } from "./segments.ts";
import { type MessageSender, Sender, type SendingSocket, type SendRequest } from "./sender.ts";

/** Who hears what the endpoint receives: the socket. */
export type Listeners = Pick<EventEmitter<SocketEvents>, "emit" | "listenerCount">;

/** One datagram socket below its public surface. */
export class Endpoint extends EndpointControls
  implements SendingSocket, ReceivingSocket, ErrorReceivingSocket, LateWatcher {
  readonly family: AddressFamily;
  readonly #engine: Engine;
  readonly #permissions: Permissions;
  readonly #listeners: Listeners;
  // Made when they are first used, as there may be ten thousand idle sockets.
  #sender: MessageSender | undefined;
  #receiver: Receiver | undefined;
  #errorReceiver: ErrorReceiver | undefined;
  /** Gives listeners the asynchronous context in which the socket was made. */
  readonly #context = new AsyncResource("UDPWRAP");
  readonly #offload: Offload;
  #descriptor: Descriptor | undefined;
  /** The descriptor as it was given to this process, where it was. */
  #shared: SharedDescriptor | undefined;
  /** For the receiver: whether other processes receive from the socket, too. */
  isShared = false;
  #filtered: Set<FilterPlace> | undefined;
  /** For the poll loop; 0 while it does not receive. */
  token = 0;
  /** Whether bind(2) was tried, or somebody else did: then nothing here binds by itself. */
  #wasBound = false;
  #connected = false;
  #referenced = true;
  #awaitsRoom = false;

  constructor(
    engine: Engine,
    family: AddressFamily,
    offload: Offload,
    permissions: Permissions,
    listeners: Listeners,
  ) {
    super();
    this.family = family;
    this.#engine = engine;
    this.#permissions = permissions;
    this.#listeners = listeners;
    this.#offload = offload;
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

  /** Takes over a descriptor that was found fit, in the place of one that is not bound yet. */
  adopt(fd: number, isLent = false): void {
    this.#descriptor?.close();
    this.#hold(Descriptor.adopt(this.#engine.runtime.libc, fd, isLent));
    this.#wasBound = true;
    this.#connected = typeof this.remoteAddress() !== "number";
  }

  /** Takes a descriptor that other processes have, too, and receives. It is closed as its owner wants it. */
  share(shared: SharedDescriptor): number {
    this.adopt(shared.fd, true);
    this.#shared = shared;
    this.isShared = true;
    const result = this.startReceivingAdopted();
    if (result < 0) {
      this.abandon();
      shared.close();
    }
    return result;
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
    this.#leaveLoop();
    this.release();
    this.#shared = undefined;
  }

  /** Gives an adopted descriptor back: it is not to be closed with this socket. */
  release(): void {
    this.#engine.endpoints?.delete(this);
    this.#descriptor?.release();
    this.#descriptor = undefined;
  }

  /** The program ends, and its process goes on: as {@linkcode Endpoint.close}, but that the socket hears nothing of it. */
  end(): void {
    this.#leaveLoop();
    if (!this.#shared) this.#descriptor?.close();
    this.#descriptor = undefined;
  }

  /** bind(2) with the options that must be set before it. Opens the descriptor. */
  bind(address: string, port: number, flags: BindFlags): number {
    const { libc } = this.#engine.runtime;
    const encoded = encodeAddress(libc, this.family, address, port);
    if (!encoded || (flags.ipv6Only && this.version === 4)) return -libc.abi.errno.EINVAL;
    const result = this.setBindFlags(flags) || this.requestDetails();
    if (result < 0) return result;
    this.#wasBound = true;
    const bound = this.#descriptor!.bind(encoded);
    // macOS says EAFNOSUPPORT where Linux says EINVAL.
    return bound === -libc.abi.errno.EAFNOSUPPORT ? -libc.abi.errno.EINVAL : bound;
  }

  /** Binds to any address and a port of the system's choice, unless `bind` was called before; as in Node, even if it failed. */
  bindIfUnbound(): number {
    if (this.#wasBound) return 0;
    return this.bind(ANY[this.version], 0, { reuseAddr: false, reusePort: false, ipv6Only: false });
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
    this.onWatched();
    this.#updateReference();
    return 0;
  }

  /** For the poll loop. Where the kernel has no UDP_GRO, datagrams come singly. */
  onWatched(): void {
    if (this.#offload.gro && !this.isShared && !this.#filtered) this.setOption("UDP_GRO", 1);
  }

  /** For the poll loop. */
  onUnwatched(errno: number): void {
    this.#context.runInAsyncScope(() => this.#listeners.emit("error", this.#engine.errors.ofCall(errno, "poll")));
  }

  /** A filter has to see each datagram: while there is one the kernel must not hand over several as one. */
  setFiltered(place: FilterPlace, filtered: boolean): void {
    const places = this.#filtered ?? new Set();
    if (filtered) places.add(place);
    else places.delete(place);
    this.#filtered = places.size > 0 ? places : undefined;
    const receives = this.token > 0 && this.#offload.gro && !this.isShared;
    if (receives) this.setOption("UDP_GRO", this.#filtered ? 0 : 1);
  }

  /** For the poll loop. */
  onReadable(): void {
    const { EAGAIN } = this.#engine.runtime.libc.abi.errno;
    const receiver = this.#receiver ??= new Receiver(this.inbox, this, EAGAIN);
    this.#context.runInAsyncScope(receiver.receive, receiver);
  }

  /** For the poll loop. */
  onWritable(): void {
    this.#sender?.resume();
  }

  /** connect(2) */
  connect(address: string, port: number): number {
    const { libc } = this.#engine.runtime;
    const encoded = encodeAddress(libc, this.family, address, port);
    if (!encoded) return -libc.abi.errno.EINVAL;
    const result = this.with((descriptor) => descriptor.connect(encoded));
    this.#connected ||= result === 0;
    return result;
  }

  /** connect(2) to nobody. */
  disconnect(): number {
    const result = this.with((descriptor) => descriptor.disconnect());
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

  /** Sends a message: at the end of the turn, or as soon as there is room. */
  send(
    payload: Payload,
    length: number,
    address: EncodedAddress | undefined,
    request: SendRequest | undefined,
    controls?: EncodedControls,
  ): void {
    // As libuv has it; the kernel would let it pass.
    if (address && this.#connected) request?.finish(-this.#engine.runtime.libc.abi.errno.EISCONN);
    else (this.#sender ??= this.makeSender()).send(payload, length, address, request, controls);
  }

  /** Sends several messages. */
  sendSegments(
    segments: Segments,
    address: EncodedAddress | undefined,
    request: SendRequest | undefined,
    controls: EncodedControls | undefined,
  ): void {
    const sender = this.#sender ??= this.makeSender();
    const canJoin = segments.count > 1 && !(address && this.#connected);
    if (canJoin && sender.sendSegments?.(segments, address, request, controls)) return;
    for (const message of segments.messages()) this.send(message, message.byteLength, address, request, controls);
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
    return this.#permissions.drops(sender);
  }

  /** For the receiver. */
  listeners(): number {
    return this.#listeners.listenerCount("message");
  }

  /** For the receiver. */
  deliver(message: Buffer<ArrayBuffer>, remote: RemoteInfo): boolean {
    // Somebody may have put in an `emit` of his own, which need not return anything.
    return this.#listeners.emit("message", message, remote) !== false;
  }

  /** For the receiver. */
  batchListeners(): number {
    return this.#listeners.listenerCount("messages");
  }

  /** For the receiver. */
  deliverBatch(batch: MessageBatch): void {
    this.#listeners.emit("messages", batch);
  }

  /** For the receiver. */
  fail(errno: number): void {
    if (!this.#errorReceiver?.repeats(errno)) {
      this.#listeners.emit("error", this.#engine.errors.ofCall(errno, "recvmsg"));
    }
  }

  /** What this socket has on its error queue. */
  get errorReceiver(): ErrorReceiver {
    const { errorQueue, runtime } = this.#engine;
    return this.#errorReceiver ??= new ErrorReceiver(errorQueue, this, runtime.libc.abi);
  }

  /** For the poll loop. */
  onFaulty(): void {
    const receiver = this.#errorReceiver;
    if (receiver) this.#context.runInAsyncScope(receiver.receive, receiver);
  }

  protected deliverTimestamp(timestamp: TransmitTimestamp): void {
    this.#context.runInAsyncScope(() => this.#listeners.emit("timestamp", timestamp));
  }

  protected updateSegments(): void {
    // What was sent before goes as it would have gone.
    this.#engine.outbox.flush();
    this.#sender?.allowSegments?.(this.#mayJoinSegments());
  }

  /** For the error receiver. */
  deliverNetworkError(error: NetworkError): void {
    this.#context.runInAsyncScope(() => this.#listeners.emit("networkError", error));
  }

  /** For the sender. */
  mayRetry(errno: number, attempt: number): boolean {
    return this.#errorReceiver !== undefined && this.#errorReceiver.mayRetry(errno, attempt);
  }

  /** For the sender. A message that waits keeps even an unreferenced socket's process alive. */
  awaitRoom(waiting: boolean): void {
    if (this.#awaitsRoom === waiting) return;
    this.#awaitsRoom = waiting;
    this.#engine.loop.setWritable(this, waiting);
    this.#updateReference();
  }

  /** Sends what this turn has collected, leaves the loop, closes the descriptor, and cancels what still waits. */
  close(): void {
    this.#engine.outbox.flush();
    this.#leaveLoop();
    if (this.#shared) this.#shared.close();
    else this.#descriptor?.close();
    this.#descriptor = undefined;
    this.#engine.endpoints?.delete(this);
    this.#sender?.cancel();
    this.#context.emitDestroy();
  }

  #leaveLoop(): void {
    this.#engine.loop.end(this);
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

  /** Whether several messages may go to the kernel as one payload: not where each is to have a timestamp. */
  #mayJoinSegments(): boolean {
    return this.#offload.gso && !this.tellsSending;
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

  #updateReference(): void {
    this.#engine.loop.setReferenced(this, this.#referenced || this.#awaitsRoom);
  }
}
