/**
 * A datagram socket in the kernel and its place in the poll loop, of any family: everything below the public classes
 * that needs a descriptor. `udp_endpoint.ts` and `src/unix/endpoint.ts` are the two kinds.
 *
 * Results are counts or negative errno numbers. Without a descriptor all calls return EBADF, as in Node.
 *
 * | where the descriptor came from | who closes it |
 * |---|---|
 * | `open()` | the endpoint, in `close()` or `end()` |
 * | `adopt()`, followed by `settle()` | the endpoint |
 * | `adopt()`, followed by `release()`: the adoption failed | its former owner; the endpoint has its previous one again |
 * | `share()`: from the primary of a cluster or from a parent process | `SharedDescriptor.close()`, which the endpoint calls |
 * | `share()`, followed by `abandon()`: the giver closes it | the giver |
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import { EventEmitter } from "node:events";
import { Descriptor } from "../../ffi/descriptor.ts";
import type { EventContext } from "../../ffi/runtimes/async_context.ts";
import { nextTick } from "../../ffi/runtimes/process.ts";
import { READABLE } from "../../ffi/poll/poller.ts";
import type { EncodedControls } from "../../ffi/wire/control.ts";
import type { EncodedOption } from "../../ffi/wire/membership.ts";
import type { FilterInstruction } from "../../ffi/wire/packet_filter.ts";
import { type AddressFamily, encodeAddress, type EncodedAddress, type SocketAddress } from "../../ffi/wire/sockaddr.ts";
import type { OptionName } from "../../ffi/wire/sockopt.ts";
import type { LateWatcher } from "../loop/loop.ts";
import type { ControlDecoder, Inbox } from "../receiving/inbox.ts";
import type { MessageBatch, Received } from "../receiving/message_batch.ts";
import { Receiver, type ReceivingSocket } from "../receiving/receiver.ts";
import type { ReceiveDetails } from "../receiving/types.ts";
import { ImmediateRequest, type SendRequest } from "../sending/callbacks.ts";
import { lengthOf, type Payload } from "../sending/payload.ts";
import type { Segments } from "../sending/segments.ts";
import type { MessageSender } from "../sending/sender.ts";
import type { Engine } from "./engine.ts";
import type { AnySocket } from "./events.ts";
import type { SharedDescriptor } from "./shared_descriptor.ts";

/** The public object, which emits the events. */
export type Listeners = Pick<AnySocket, "emit" | "listenerCount">;

/** Something that the kernel refused: what, why, and how often. */
export interface Refusal {
  readonly what: "UDP_SEGMENT" | "UDP_GRO";
  readonly errno: number;
  readonly count: number;
}

const NOTHING_RECEIVED = { datagrams: 0, bytes: 0, systemCalls: 0 };
const NOTHING_SENT = { ...NOTHING_RECEIVED, segments: 0, segmentedPayloads: 0 };

/** The counts of an endpoint. */
export interface Counts {
  readonly received: typeof NOTHING_RECEIVED;
  readonly sent: typeof NOTHING_SENT;
  /** Messages that were not sent. */
  readonly failed: number;
  readonly refusals: readonly Refusal[];
}

/** One datagram socket below its public surface. */
export abstract class DatagramEndpoint implements ReceivingSocket, LateWatcher {
  readonly family: AddressFamily;
  protected readonly engine: Engine;
  protected readonly listeners: Listeners;
  // Created at first use, as there may be ten thousand idle sockets.
  protected sender: MessageSender | undefined;
  #receiver: Receiver | undefined;
  /** Runs listeners in the asynchronous context in which the socket was created. */
  readonly #context: EventContext;
  #descriptor: Descriptor | undefined;
  /** The state before a descriptor was adopted, until the adoption is settled or undone. */
  #before: { readonly descriptor: Descriptor | undefined; readonly restore: () => void } | undefined;
  /** The descriptor as it was given to this process, if it was. */
  #shared: SharedDescriptor | undefined;
  /** For the receiver: whether other processes also receive from the socket. */
  isShared = false;
  /** Who has paused receiving: a program that called `pause()`, iterators with a full queue. */
  #pausers: Set<unknown> | undefined;
  /** For the poll loop; 0 while the socket does not receive. */
  token = 0;
  /** Whether bind(2) was tried, here or elsewhere. Then the socket is not bound implicitly. */
  protected wasBound = false;
  protected isConnected = false;
  #isReferenced = true;
  #awaitsRoom = false;
  /** Whether there are errors on the error queue that nothing reads. */
  #hasUnwantedErrors = false;
  #sendQueueLimit = Infinity;
  /** The negative errno with which the kernel refused UDP_GRO; 0: it did not. */
  protected coalescingRefusal = 0;
  /** Whether a message is being sent that must not wait for room. */
  protected isSendingNow = false;
  #closings: (() => void)[] | undefined;
  /** Emits `'message'`. Created for the first one. */
  #emitInContext: ((message: Buffer<ArrayBuffer>, remote: object) => void) | undefined;

  constructor(engine: Engine, family: AddressFamily, listeners: Listeners) {
    this.family = family;
    this.engine = engine;
    this.#context = engine.runtime.asyncContexts.open();
    this.listeners = listeners;
  }

  /** Emits `'message'`. */
  protected emitMessage(message: Buffer<ArrayBuffer>, remote: object): void {
    this.listeners.emit("message", message, remote);
  }

  /** For the receiver. */
  abstract remoteInfo(payload: Received, size: number): object;
  /** Creates the sending side. */
  protected abstract makeSender(): MessageSender;
  /** The arena into which its datagrams are received. */
  protected abstract get inbox(): Inbox;
  /** For the receiver. */
  abstract get controlDecoder(): ControlDecoder | undefined;
  /** For the receiver. */
  get hasNeighbours(): boolean {
    return this.engine.loop.watched > 1;
  }

  /** For the receiver. */
  abstract drops(sender: SocketAddress): boolean;
  /** For the receiver. */
  abstract discard(details: ReceiveDetails | undefined): void;
  /** The descriptor, or -1 before it was opened or after it was closed. */
  get fd(): number {
    return this.#descriptor?.fd ?? -1;
  }

  /** The descriptor as an object. */
  protected get descriptor(): Descriptor | undefined {
    return this.#descriptor;
  }

  /** For async_hooks: the socket. */
  get asyncId(): number {
    return this.#context.asyncId();
  }

  /** Opens the descriptor, if there is none. */
  open(): number {
    if (this.#descriptor) return 0;
    const opened = Descriptor.open(this.engine.runtime.libc, this.family);
    if (typeof opened === "number") return opened;
    this.#hold(opened);
    return 0;
  }

  /**
   * Takes over a descriptor that was checked, instead of one that is not bound yet. Either {@linkcode
   * DatagramEndpoint.settle} or {@linkcode DatagramEndpoint.release} must follow.
   */
  adopt(fd: number, isLent = false): void {
    this.#before = { descriptor: this.#descriptor, restore: this.rememberState() };
    const descriptor = Descriptor.adopt(this.engine.runtime.libc, fd, isLent);
    this.#hold(descriptor);
    this.wasBound = true;
    this.isConnected = typeof this.remoteAddress() !== "number";
    this.adopted(descriptor);
  }

  /** Saves the state that belongs to the descriptor. @returns Restores it for the previous descriptor. */
  protected rememberState(): () => void {
    const { wasBound, isConnected, isShared } = this;
    return () => void Object.assign(this, { wasBound, isConnected, isShared });
  }

  /** Called when a descriptor was taken over. */
  protected adopted(_descriptor: Descriptor): void {}

  /** Keeps the adopted descriptor, and closes the previous one. */
  settle(): void {
    this.#before?.descriptor?.close();
    this.#before = undefined;
  }

  /**
   * Takes a descriptor that other processes also have, and receives. {@linkcode DatagramEndpoint.settle} must follow.
   */
  share(shared: SharedDescriptor): number {
    this.adopt(shared.fd, true);
    this.#shared = shared;
    this.isShared = true;
    const result = this.startReceivingAdopted();
    if (result < 0) this.giveBackShared();
    return result;
  }

  /** Undoes `share`: its owner closes the descriptor, and the socket has its previous one again. */
  giveBackShared(): void {
    const shared = this.#shared;
    this.#shared = undefined;
    this.stopReceiving();
    this.release();
    shared?.close();
  }

  /** Gives up a descriptor that its owner is about to close. Afterwards all calls return EBADF. */
  abandon(): void {
    this.engine.outbox.flush();
    this.stopReceiving();
    this.release();
    this.#shared = undefined;
  }

  /** Gives an adopted descriptor back. It is not closed with this socket, which has its previous one again. */
  release(): void {
    const before = this.#before;
    this.#before = undefined;
    this.engine.endpoints?.delete(this);
    this.#descriptor?.release();
    this.#descriptor = undefined;
    if (!before) return;
    before.restore();
    if (before.descriptor) this.#hold(before.descriptor);
  }

  #hold(descriptor: Descriptor): void {
    this.#descriptor = descriptor;
    this.engine.endpoints?.add(this);
  }

  /**
   * Ends the socket with the program, in a process that continues: as {@linkcode DatagramEndpoint.close}, but emits
   * nothing.
   */
  end(): void {
    this.stopReceiving();
    this.#closings?.forEach((action) => action());
    if (!this.#shared) this.#descriptor?.close();
    this.#descriptor = undefined;
  }

  /**
   * Sends the messages of this turn, leaves the poll loop, closes the descriptor, and fails the messages that still
   * wait.
   */
  close(): void {
    this.engine.outbox.flush();
    this.stopReceiving();
    this.#closings?.forEach((action) => action());
    this.settle();
    if (this.#shared) this.#shared.close();
    else this.#descriptor?.close();
    this.#descriptor = undefined;
    this.engine.endpoints?.delete(this);
    this.sender?.cancel();
    this.#context.emitDestroy();
  }

  /**
   * The socket could not be created: nobody has it. Leaves the poll loop.
   *
   * @param isAdopted Whether the descriptor stays its former owner's. Otherwise it is closed.
   */
  undo(isAdopted: boolean): void {
    if (isAdopted) this.abandon();
    else this.close();
  }

  /** Registers an action for when the socket is closed or the program ends. */
  atClose(action: () => void): void {
    (this.#closings ??= []).push(action);
  }

  /** bind(2) to an encoded address. */
  protected bindDescriptor(address: EncodedAddress): number {
    this.wasBound = true;
    return this.#descriptor!.bind(address);
  }

  /**
   * Starts receiving, then makes a call after which datagrams can arrive. If the call fails, the socket does not
   * receive.
   */
  protected receiveWith(call: () => number): number {
    if (this.token > 0) return call();
    try {
      const started = this.startReceiving();
      const result = started < 0 ? started : call();
      if (result < 0) this.stopReceiving();
      return result;
    } catch (error) {
      this.stopReceiving();
      throw error;
    }
  }

  /** Starts receiving in the next turn of the event loop. */
  startReceiving(): number {
    this.engine.loop.watchLater(this);
    this.#updateReference();
    return 0;
  }

  /** Starts receiving from a descriptor that was taken over. EEXIST if another socket already receives from it. */
  startReceivingAdopted(): number {
    const { loop } = this.engine;
    const { EEXIST } = this.engine.runtime.libc.abi.errno;
    loop.watchDue();
    const watched = loop.isPutAside(this.fd) ? -EEXIST : loop.watch(this);
    if (watched < 0) return watched;
    this.onWatched();
    this.#updateReference();
    return 0;
  }

  /** Leaves the poll loop. */
  protected stopReceiving(): void {
    this.engine.loop.end(this);
    this.#receiver?.stop();
  }

  /** For the poll loop. */
  onWatched(): void {
    if (this.#pausers) this.engine.loop.setPaused(this, true);
  }

  /** Pauses receiving while there is a pauser. Datagrams stay in the kernel, which drops them if there is no room. */
  setPaused(pauser: unknown, paused: boolean): void {
    const pausers = this.#pausers ?? new Set();
    if (paused) pausers.add(pauser);
    else pausers.delete(pauser);
    this.#pausers = pausers.size > 0 ? pausers : undefined;
    this.engine.loop.setPaused(this, pausers.size > 0);
  }

  /** Whether that pauser has paused receiving. */
  isPausedBy(pauser: unknown): boolean {
    return this.#pausers?.has(pauser) ?? false;
  }

  /** For the poll loop. */
  onUnwatched(errno: number): void {
    this.emit("error", this.engine.errors.ofCall(errno, "poll"));
  }

  /** For the poll loop. */
  onReadable(): boolean {
    return this.#receiving().step() || (this.#hasUnwantedErrors && this.#discardErrors());
  }

  #receiving(): Receiver {
    return this.#receiver ??= new Receiver(this.inbox, this, this.engine.runtime.libc.abi.errno.EAGAIN);
  }

  /** Receives what waits into the given memory, and delivers it in the next turns. */
  protected receiveAhead(inbox: Inbox): void {
    this.#receiving().receiveAhead(inbox);
    this.engine.loop.requestTurn(this, READABLE);
  }

  /** For the poll loop. */
  onTurnOver(): boolean {
    return this.#receiver?.endTurn() ?? false;
  }

  /** For the poll loop. */
  onWritable(): void {
    this.sender?.resume();
  }

  /** For the poll loop. */
  get readsErrors(): boolean {
    return false;
  }

  /** For the poll loop. Notes the error only, as nothing here reads the error queue. */
  onError(): boolean {
    this.#hasUnwantedErrors = true;
    return false;
  }

  /** Called when something reads the error queue. */
  protected takesErrors(): void {
    this.#hasUnwantedErrors = false;
  }

  /**
   * Empties an error queue that was not requested. An adopted descriptor may have one, and is ready as long as it is
   * not empty. It is read after the socket, as reading it clears the pending error that `'error'` must report.
   */
  #discardErrors(): boolean {
    this.#hasUnwantedErrors = false;
    const discarded = this.engine.errorQueue.read(this.fd);
    return typeof discarded !== "number" && discarded.length > 0;
  }

  /** connect(2). */
  connect(address: string, port: number): number {
    const { libc } = this.engine.runtime;
    const encoded = encodeAddress(libc, this.family, address, port);
    if (!encoded) return -libc.abi.errno.EINVAL;
    const result = this.with((descriptor) => descriptor.connect(encoded));
    this.isConnected ||= result === 0;
    return result;
  }

  /** connect(2) to no address: disconnects the socket. */
  disconnect(): number {
    const result = this.with((descriptor) => descriptor.disconnect());
    this.isConnected &&= result !== 0;
    return result;
  }

  /** getsockname(2) */
  localAddress(): SocketAddress | number {
    return this.#descriptor?.localAddress() ?? this.notOpen;
  }

  /** getpeername(2) */
  remoteAddress(): SocketAddress | number {
    return this.#descriptor?.remoteAddress() ?? this.notOpen;
  }

  /** Encodes a destination. Undefined if the text is not an address of this socket's family. */
  encode(address: string, port: number): EncodedAddress | undefined {
    return encodeAddress(this.engine.runtime.libc, this.family, address, port);
  }

  /**
   * Sends a message at the end of the turn, or as soon as there is room. On a connected socket the first message of a
   * turn is sent at once, as in Node: a program may rely on it, whatever it does next.
   */
  send(
    payload: Payload,
    length: number,
    address: EncodedAddress | undefined,
    request: SendRequest | undefined,
    controls?: EncodedControls,
  ): void {
    this.collect(payload, length, address, request, controls);
    if (address === undefined) this.#leaveToPeer();
  }

  #leaveToPeer(): void {
    try {
      this.sender?.leave();
    } catch {
      // The message was accepted and is sent at the end of the turn. If that throws, too, the program sees it there.
    }
  }

  /** Accepts a message. It is sent at the end of the turn, or when {@linkcode DatagramEndpoint.leave} is called. */
  collect(
    payload: Payload,
    length: number,
    address: EncodedAddress | undefined,
    request: SendRequest | undefined,
    controls?: EncodedControls,
  ): void {
    if (address !== undefined && this.isConnected) this.#refuseAddress(request);
    else (this.sender ??= this.#startSender()).add(payload, length, address, request, controls);
  }

  /** As in libuv. The kernel would allow it. */
  #refuseAddress(request: SendRequest | undefined): void {
    request?.finish(-this.engine.runtime.libc.abi.errno.EISCONN);
  }

  #startSender(): MessageSender {
    const sender = this.makeSender();
    if (this.#sendQueueLimit !== Infinity) sender.limitQueue(this.#sendQueueLimit);
    return sender;
  }

  /**
   * Sends one message within this call, or not at all. It must not overtake messages that wait: then it fails with
   * EAGAIN.
   *
   * @param collect Collects the message for the request.
   * @returns Bytes that were sent, a negative errno, or an error that no system call caused.
   */
  sendNow(collect: (request: ImmediateRequest) => void): number | Error {
    const { EAGAIN } = this.engine.runtime.libc.abi.errno;
    this.engine.outbox.flush();
    if (this.sendQueue.count > 0) return -EAGAIN;
    const request = new ImmediateRequest();
    this.isSendingNow = true;
    try {
      collect(request);
      this.engine.outbox.flush();
    } finally {
      if (request.result === undefined) this.withdraw(request, -EAGAIN);
      this.isSendingNow = false;
    }
    return request.result ?? -EAGAIN;
  }

  /**
   * Limits the bytes that may wait for room in the kernel. A message that would exceed the limit fails with ENOBUFS.
   */
  limitSendQueue(bytes: number): void {
    this.#sendQueueLimit = bytes;
  }

  /** Whether there is such a limit. */
  get limitsSendQueue(): boolean {
    return this.#sendQueueLimit !== Infinity;
  }

  /** Sends the collected messages at once, if the socket has sent none at once in this turn. */
  leave(): void {
    this.sender?.leave();
  }

  /** Accepts several messages. */
  collectSegments(
    segments: Segments,
    address: EncodedAddress | undefined,
    request: SendRequest | undefined,
    controls: EncodedControls | undefined,
  ): void {
    const sender = this.sender ??= this.#startSender();
    const canJoin = segments.count > 1 && !(address && this.isConnected);
    if (canJoin && sender.addSegments?.(segments, address, request, controls)) return;
    for (const message of segments.messages()) this.collect(message, lengthOf(message), address, request, controls);
  }

  /** The counts so far. */
  counts(): Counts {
    const { sender } = this;
    const refusals: Refusal[] = [];
    for (const [errno, count] of sender?.segmentRefusals ?? []) refusals.push({ what: "UDP_SEGMENT", errno, count });
    const gro = this.coalescingRefusal;
    if (gro < 0) refusals.push({ what: "UDP_GRO", errno: -gro, count: 1 });
    return {
      received: { ...NOTHING_RECEIVED, ...this.#receiver?.counts },
      sent: { ...NOTHING_SENT, ...sender?.counts },
      failed: sender?.failedCount ?? 0,
      refusals,
    };
  }

  /** Bytes and messages that the kernel has not accepted yet. */
  get sendQueue(): { size: number; count: number } {
    return { size: this.sender?.queuedBytes ?? 0, count: this.sender?.queuedCount ?? 0 };
  }

  /** Fails messages that wait for room. */
  withdraw(request: SendRequest, result: number): void {
    this.sender?.withdraw(request, result);
  }

  /** For the sender. The event waits for the next tick, as a listener must not run while messages are being sent. */
  drained(): void {
    if (this.isSendingNow) return;
    nextTick(() => {
      if (this.fd >= 0) this.#context.run(() => void this.listeners.emit("drain"), undefined, undefined);
    });
  }

  /** For the sender. A message that waits keeps the process alive even if the socket is unreferenced. */
  awaitRoom(waiting: boolean): boolean {
    if (this.#awaitsRoom === waiting) return true;
    const isTold = this.engine.loop.setWritable(this, waiting);
    this.#awaitsRoom = waiting && isTold;
    this.#updateReference();
    return isTold;
  }

  /** Sets whether a receiving socket keeps the process alive. */
  setReferenced(isReferenced: boolean): void {
    this.#isReferenced = isReferenced;
    this.#updateReference();
  }

  #updateReference(): void {
    this.engine.loop.setReferenced(this, this.#isReferenced || this.#awaitsRoom);
  }

  /** For the receiver. If the program has replaced `emit`, it gets every datagram, even without listeners. */
  hasMessageListeners(): boolean {
    const { listeners } = this;
    return listeners.listenerCount("message") > 0 || listeners.emit !== EventEmitter.prototype.emit;
  }

  /** For the receiver. */
  deliver(message: Buffer<ArrayBuffer>, remote: object): void {
    this.#context.run(this.#emitInContext ??= (message, remote) => this.emitMessage(message, remote), message, remote);
  }

  /** For the receiver. */
  hasBatchListeners(): boolean {
    return this.listeners.listenerCount("messages") > 0;
  }

  /** For the receiver. */
  deliverBatch(batch: MessageBatch): void {
    this.emit("messages", batch);
  }

  /** For the receiver. */
  fail(errno: number): void {
    this.emit("error", this.engine.errors.ofCall(errno, "recvmsg"));
  }

  /** Emits an event in the context in which the socket was created. */
  protected emit(name: string, value: unknown): void {
    this.#context.run((name, value) => void this.listeners.emit(name, value), name, value);
  }

  /** setsockopt(2) */
  setOption(name: OptionName, value: number): number {
    this.optionsChanged();
    return this.with((descriptor) => descriptor.setOption(name, value));
  }

  /** getsockopt(2) */
  getOption(name: OptionName): number {
    return this.with((descriptor) => descriptor.getOption(name));
  }

  /** setsockopt(2) with the value's bytes. Opens the descriptor. */
  setRawOption(option: EncodedOption): number {
    this.optionsChanged();
    return this.openWith((descriptor) => descriptor.setEncodedOption(option));
  }

  /** getsockopt(2) of at most `length` bytes. Opens the descriptor. */
  getRawOption(level: number, name: number, length: number): Uint8Array<ArrayBuffer> | number {
    return this.openWith((descriptor) => descriptor.getRawOption(level, name, length));
  }

  /** ioctl(2) of a request that returns an int. Linux. Opens the descriptor. */
  readInt(request: number): number {
    return this.openWith((descriptor) => descriptor.readInt(request));
  }

  /** Attaches a packet filter. Opens the descriptor. */
  attachFilter(level: number, name: number, program: readonly FilterInstruction[]): number {
    return this.openWith((descriptor) => descriptor.attachFilter(level, name, program));
  }

  /** Called when an option may have changed: cached options are invalid. */
  protected optionsChanged(): void {}

  /**
   * Makes a call that may change how messages are sent. Those of this turn are sent before, unchanged. EBADF without a
   * descriptor.
   */
  with<Result>(call: (descriptor: Descriptor) => Result | number): Result | number {
    this.engine.outbox.flush();
    return this.#descriptor ? call(this.#descriptor) : this.notOpen;
  }

  /**
   * As {@linkcode DatagramEndpoint.with}, for what can be set before bind(2): opens the descriptor if there is none.
   */
  openWith<Result>(call: (descriptor: Descriptor) => Result | number): Result | number {
    const opened = this.open();
    return opened < 0 ? opened : this.with(call);
  }

  /** The errno of a call without a descriptor. */
  protected get notOpen(): number {
    return -this.engine.runtime.libc.abi.errno.EBADF;
  }
}
