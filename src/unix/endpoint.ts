/**
 * A Unix datagram socket in the kernel.
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import { nextTick } from "../../ffi/runtimes/process.ts";
import type { EncodedControls } from "../../ffi/wire/control.ts";
import { encodeAddress, type EncodedAddress } from "../../ffi/wire/sockaddr.ts";
import { decodePath } from "../../ffi/wire/sockaddr_un.ts";
import type { OptionName } from "../../ffi/wire/sockopt.ts";
import { DatagramEndpoint, type Listeners } from "../endpoint/endpoint.ts";
import type { Engine } from "../endpoint/engine.ts";
import { type ControlDecoder, Inbox } from "../receiving/inbox.ts";
import type { Received } from "../receiving/message_batch.ts";
import type { ReceiveDetails } from "../receiving/types.ts";
import type { SendRequest } from "../sending/callbacks.ts";
import type { Payload } from "../sending/payload.ts";
import type { MessageSender } from "../sending/sender.ts";
import { UnixDecoder, type UnixDetails, type WantedAncillary } from "./decoder.ts";
import { descriptorAccess } from "./descriptor_access.ts";
import type { DescriptorAccess } from "./received_descriptors.ts";
import { type CongestionEvent, UnixSender, type UnixSendingSocket } from "./sender.ts";
import type { UnixRemoteInfo } from "./types.ts";

/**
 * The size of a message is limited by the sender's buffer. Linux allows up to twice net.core.wmem_max, which defaults
 * to 212,992. If that was raised so that messages are larger than a slot, they may be truncated, which is reported.
 */
const SHAPE = { slots: 16, slotSize: 2 ** 20, takesControl: false };

const NOTHING: WantedAncillary = { fds: false, credentials: false };

const inboxes = new WeakMap<Engine, { plain?: Inbox; ancillary?: Inbox }>();

/**
 * The arena of one thread for Unix sockets. Sockets that request descriptors or credentials have a separate one, as the
 * kernel installs descriptors whenever there is room for ancillary data. Its pages take no memory until messages fill
 * them.
 */
function inboxOf(engine: Engine, kind: "plain" | "ancillary"): Inbox {
  let own = inboxes.get(engine);
  if (!own) inboxes.set(engine, own = {});
  const flags = engine.runtime.libc.abi.linux?.MSG_CMSG_CLOEXEC ?? 0;
  return own[kind] ??= new Inbox(engine.runtime, { ...SHAPE, flags });
}

function adoptNothing(): never {
  throw new Error("descriptors were not asked for");
}

/**
 * One Unix datagram socket below its public surface. Its addresses are paths; ports are 0. Its descriptor is opened
 * when needed.
 */
export class UnixEndpoint extends DatagramEndpoint implements UnixSendingSocket {
  readonly #decoder: UnixDecoder;
  #receives = false;

  /** @param openSocket Makes a received descriptor a socket. Needed only if descriptors are requested. */
  constructor(
    engine: Engine,
    listeners: Listeners,
    wanted: WantedAncillary = NOTHING,
    openSocket: DescriptorAccess["socket"] = adoptNothing,
  ) {
    super(engine, "unix", listeners);
    this.#decoder = new UnixDecoder(engine.runtime.libc, descriptorAccess(engine, openSocket), wanted);
  }

  /** Binds to a path, or to one that the system selects if it is empty, and receives. */
  bindPath(path: string): number {
    const { libc } = this.engine.runtime;
    const encoded = encodeAddress(libc, "unix", path, 0);
    if (!encoded) return -libc.abi.errno.EINVAL;
    const opened = this.open();
    return opened < 0 ? opened : this.receiveWith(() => this.bindDescriptor(encoded));
  }

  /** connect(2), and receives: a peer that has the socket's address may send to it. */
  connectPath(path: string): number {
    const opened = this.open();
    return opened < 0 ? opened : this.receiveWith(() => this.connect(path, 0));
  }

  override startReceiving(): number {
    if (this.#receives) return 0;
    const result = super.startReceiving();
    this.#receives = result === 0;
    return result;
  }

  override startReceivingAdopted(): number {
    const result = super.startReceivingAdopted();
    this.#receives = result === 0;
    return result;
  }

  override collect(
    payload: Payload,
    length: number,
    address: EncodedAddress | undefined,
    request: SendRequest | undefined,
    controls?: EncodedControls,
  ): void {
    const opened = this.open();
    if (opened < 0) request?.finish(opened);
    else super.collect(payload, length, address, request, controls);
  }

  override setOption(name: OptionName, value: number): number {
    const opened = this.open();
    return opened < 0 ? opened : super.setOption(name, value);
  }

  override getOption(name: OptionName): number {
    const opened = this.open();
    return opened < 0 ? opened : super.getOption(name);
  }

  /** For the receiver: paths have no block list. */
  override drops(): boolean {
    return false;
  }

  /** For the receiver. */
  override get controlDecoder(): ControlDecoder {
    return this.#decoder;
  }

  /** For the receiver. */
  override remoteInfo({ sender, details }: Received, size: number): UnixRemoteInfo {
    const info: UnixRemoteInfo = { family: "unix", path: sender.address, size };
    if (!details) return info;
    const { truncated, fds, credentials } = details as UnixDetails;
    if (truncated) info.truncated = true;
    if (credentials) info.credentials = credentials;
    if (fds) info.fds = fds;
    return info;
  }

  /** Closes the descriptors that the listeners have not taken. */
  protected override emitMessage(message: Buffer<ArrayBuffer>, remote: UnixRemoteInfo): void {
    try {
      super.emitMessage(message, remote);
    } finally {
      if (remote.fds) this.#decoder.settle(remote.fds);
    }
  }

  /** For the receiver. */
  override discard(details: ReceiveDetails | undefined): void {
    const { fds } = (details ?? {}) as UnixDetails;
    if (fds) this.#decoder.settle(fds);
  }

  override close(): void {
    super.close();
    this.#decoder.closeAll();
  }

  override end(): void {
    super.end();
    this.#decoder.closeAll();
  }

  /**
   * For the sender. The events are emitted in the next tick, as a listener must not run while messages are being sent. A
   * message that must not wait causes none.
   */
  reportCongestion(event: CongestionEvent, address: EncodedAddress | undefined): void {
    if (this.isSendingNow) return;
    const path = address ? this.#pathIn(address) : this.#peerPath();
    nextTick(() => {
      if (this.fd >= 0) this.listeners.emit(event, path);
    });
  }

  protected override get inbox(): Inbox {
    return inboxOf(this.engine, this.#decoder.space > 0 ? "ancillary" : "plain");
  }

  protected override makeSender(): MessageSender {
    const { loop, outbox, runtime } = this.engine;
    return new UnixSender(runtime.libc, loop, outbox, this);
  }

  #pathIn(address: EncodedAddress): string {
    return decodePath(this.engine.runtime.libc.abi, address, 0, address.length);
  }

  #peerPath(): string {
    const peer = this.remoteAddress();
    return typeof peer === "number" ? "" : peer.address;
  }
}
