/**
 * A Unix datagram socket in the kernel.
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import type { EventEmitter } from "node:events";
import { nextTick } from "../../ffi/runtimes/process.ts";
import type { EncodedControls } from "../../ffi/wire/control.ts";
import type { EncodedAddress, SocketAddress } from "../../ffi/wire/sockaddr.ts";
import { decodePath } from "../../ffi/wire/sockaddr_un.ts";
import type { OptionName } from "../../ffi/wire/sockopt.ts";
import { addressPolicyOf } from "../endpoint/address_policy.ts";
import { Endpoint, type Listeners } from "../endpoint/endpoint.ts";
import type { Engine } from "../endpoint/engine.ts";
import { type ControlDecoder, Inbox } from "../receiving/inbox.ts";
import type { ReceiveDetails, RemoteInfo } from "../receiving/types.ts";
import type { SendRequest } from "../sending/callbacks.ts";
import type { Payload } from "../sending/payload.ts";
import { NO_OFFLOAD } from "../sending/segments.ts";
import type { MessageSender } from "../sending/sender.ts";
import { UnixDecoder, type UnixDetails, type WantedAncillary } from "./decoder.ts";
import { descriptorAccess } from "./descriptor_access.ts";
import type { DescriptorAccess } from "./received_descriptors.ts";
import { UnixSender, type UnixSendingSocket } from "./sender.ts";
import type { UnixRemoteInfo, UnixSocketEvents } from "./types.ts";

/** Who hears what the endpoint receives. */
export type UnixListeners = Pick<EventEmitter<UnixSocketEvents>, "emit" | "listenerCount">;

/**
 * A message is limited by its sender's buffer. Linux grants twice net.core.wmem_max, which is 212,992 unless somebody has raised it;
 * where that is more than what fits here, messages may be cut, and say so.
 */
const SHAPE = { slots: 16, slotSize: 2 ** 20, takesControl: false, detailed: withDetails };

/** What the endpoint then makes into its own `rinfo`. */
function withDetails(sender: SocketAddress, size: number, details: ReceiveDetails): RemoteInfo {
  return { ...sender, size, ...details } as RemoteInfo;
}

const NOTHING: WantedAncillary = { fds: false, credentials: false };

const inboxes = new WeakMap<Engine, { plain?: Inbox; ancillary?: Inbox }>();

/**
 * One thread's arena for Unix sockets; one of its own for those that want descriptors or credentials, as the kernel installs
 * descriptors wherever there is room to tell of them. Its pages take no memory until messages come that fill them.
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

/** One Unix datagram socket below its public surface. Its addresses are paths; ports are 0. The descriptor is opened when needed. */
export class UnixEndpoint extends Endpoint implements UnixSendingSocket {
  readonly #engine: Engine;
  readonly #listeners: UnixListeners;
  readonly #decoder: UnixDecoder;
  #receives = false;

  /** @param openSocket Makes a socket of a descriptor that came with a message; left out: none comes. */
  constructor(
    engine: Engine,
    listeners: UnixListeners,
    wanted: WantedAncillary = NOTHING,
    openSocket: DescriptorAccess["socket"] = adoptNothing,
  ) {
    const nothingBlocked = { sendBlockList: undefined, receiveBlockList: undefined };
    const policy = addressPolicyOf(engine.runtime.network, nothingBlocked);
    super(engine, "unix", NO_OFFLOAD, policy, listeners as unknown as Listeners);
    this.#engine = engine;
    this.#listeners = listeners;
    this.#decoder = new UnixDecoder(engine.runtime.libc, descriptorAccess(engine, openSocket), wanted);
  }

  /** Binds to a path, to one of the system's choice where it is empty, and receives. */
  bindPath(path: string): number {
    return this.bindAndReceive(path, 0, { reuseAddr: false, reusePort: false, ipv6Only: false });
  }

  /** connect(2), and receives: what a peer sends that knows of the socket. */
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

  /** For the receiver. */
  override get controlDecoder(): ControlDecoder {
    return this.#decoder;
  }

  /** For the receiver: what an IP socket would show becomes what a Unix socket shows. */
  protected override emitMessage(message: Buffer<ArrayBuffer>, remote: RemoteInfo): void {
    const { address, size, truncated, fds, credentials } = remote as RemoteInfo & UnixDetails;
    const info: UnixRemoteInfo = { family: "unix", path: address, size };
    if (truncated) info.truncated = true;
    if (credentials) info.credentials = credentials;
    if (fds) info.fds = fds;
    try {
      this.#listeners.emit("message", message, info);
    } finally {
      if (fds) this.#decoder.settle(fds);
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

  /** For the sender. The events come at the next tick: a listener must not run in the midst of others' messages. */
  congested(address: EncodedAddress | undefined, isCongested: boolean): void {
    const path = address ? this.#pathIn(address) : this.#peerPath();
    nextTick(() => {
      if (this.fd >= 0) this.#listeners.emit(isCongested ? "congestion" : "writable", path);
    });
  }

  protected override get inbox(): Inbox {
    return inboxOf(this.#engine, this.#decoder.space > 0 ? "ancillary" : "plain");
  }

  protected override makeSender(): MessageSender {
    const { loop, outbox, runtime } = this.#engine;
    return new UnixSender(runtime.libc, loop, outbox, this);
  }

  #pathIn(address: EncodedAddress): string {
    return decodePath(this.#engine.runtime.libc.abi, address, 0, address.length);
  }

  #peerPath(): string {
    const peer = this.remoteAddress();
    return typeof peer === "number" ? "" : peer.address;
  }
}
