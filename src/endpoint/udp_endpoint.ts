/**
 * A UDP socket in the kernel: the part of an endpoint that is about IP.
 *
 * @module
 */
import type { Descriptor } from "../../ffi/descriptor.ts";
import { errnoName } from "../../ffi/libc/errno.ts";
import { ERROR } from "../../ffi/poll/poller.ts";
import type { EncodedControls } from "../../ffi/wire/control.ts";
import { ANY, type IpVersion, parseIp } from "../../ffi/wire/inet.ts";
import { interfaceIndex } from "../../ffi/wire/interfaces.ts";
import type { EncodedOption } from "../../ffi/wire/membership.ts";
import { decodeMemoryInfo, MEMORY_INFO_SIZE, type MemoryInfo } from "../../ffi/wire/memory_info.ts";
import type { EncodedAddress, SocketAddress } from "../../ffi/wire/sockaddr.ts";
import { type OptionName, optionOf } from "../../ffi/wire/sockopt.ts";
import { ErrorReceiver, type ErrorReceivingSocket } from "../receiving/error_receiver.ts";
import { type ControlDecoder, Inbox, type InboxShape } from "../receiving/inbox.ts";
import type { Received } from "../receiving/message_batch.ts";
import type { NetworkError } from "../receiving/network_error.ts";
import { ReceiveBuffer } from "../receiving/receive_buffer.ts";
import { remoteInfo } from "../receiving/remote_info.ts";
import type { RemoteInfo, SendTimestamp } from "../receiving/types.ts";
import { type ControlledSocket, isMappedName, SendControlsEncoder } from "../sending/controls.ts";
import { type Path, Paths, pathTo } from "../sending/path.ts";
import { NO_OFFLOAD, type Offload } from "../sending/segments.ts";
import { type Fragmentation, Sender, type UdpSendingSocket } from "../sending/sender.ts";
import type { AddressPolicy } from "./address_policy.ts";
import { AncillaryData, type AncillaryOwner } from "./ancillary_data.ts";
import { DatagramEndpoint, type Listeners } from "./endpoint.ts";
import type { Engine } from "./engine.ts";
import { LockedMTUs, type RoutedSocket } from "./locked_mtus.ts";

/** Memory for what is received ahead, smaller than the thread's. */
const AHEAD: InboxShape = { slots: 16, slotSize: 65_536, flags: 0, takesControl: true };

/** How often disabling UDP_GRO is tried if datagrams come all the time. */
const MOST_TRIES = 16;

/** How to bind. */
export interface BindFlags {
  readonly reuseAddr: boolean;
  readonly reusePort: boolean;
  readonly ipv6Only: boolean;
}

/**
 * Why the kernel must deliver each datagram on its own. A filter of the socket or of all sockets of its port must see
 * each datagram, and lost datagrams are counted one by one.
 */
export type ApartReason = "filter" | "portFilter" | "dropCount";

/** One UDP socket below its public surface. */
export class UdpEndpoint extends DatagramEndpoint
  implements UdpSendingSocket, ErrorReceivingSocket, ControlledSocket, AncillaryOwner, RoutedSocket {
  readonly version: IpVersion;
  readonly #policy: AddressPolicy;
  readonly #offload: Offload;
  // Created at first use, as there may be ten thousand idle sockets.
  #errorReceiver: ErrorReceiver | undefined;
  /** For the error receiver. */
  #receiveBuffer: ReceiveBuffer | undefined;
  #ancillaryData: AncillaryData | undefined;
  /** Why datagrams must not be coalesced; undefined: for no reason. */
  #apart: Set<ApartReason> | undefined;
  /** Whether others may be bound to the same port (SO_REUSEPORT), and the port of its group; 0: none. */
  #sharesPort = false;
  #groupPort = 0;
  /** Whether its protocol supports segments. An adopted socket's may not, such as that of ICMP echo requests. */
  #isUdp = true;
  /** Whether the descriptor was created elsewhere, and may still be used there. */
  #wasAdopted = false;
  /** The last mode that was read; undefined if an option was set since. */
  #fragmentation: Fragmentation | undefined;
  /** The type of service over IPv4 and IPv6, as last read; -1: not since an option was set. */
  #typesOfService: Record<IpVersion, number> | undefined;
  #paths: Paths | undefined;
  #lockedMTUs: LockedMTUs | undefined;
  /** The last value of IP_MULTICAST_IF that was set, of which the kernel tells only a part. */
  #multicastInterface: Uint8Array | undefined;
  #peerPath: Path | undefined;

  constructor(
    engine: Engine,
    version: IpVersion,
    offload: Offload,
    policy: AddressPolicy,
    listeners: Listeners,
  ) {
    super(engine, version, listeners);
    this.version = version;
    this.#policy = policy;
    this.#offload = engine.runtime.offload ? offload : NO_OFFLOAD;
  }

  protected override rememberState(): () => void {
    const restore = super.rememberState();
    const [isUdp, wasAdopted, sharesPort] = [this.#isUdp, this.#wasAdopted, this.#sharesPort];
    return () => {
      restore();
      [this.#isUdp, this.#wasAdopted, this.#sharesPort] = [isUdp, wasAdopted, sharesPort];
      this.optionsChanged();
      this.#peerPath = undefined;
      this.sender?.allowSegments?.(this.#mayJoinSegments());
    };
  }

  protected override adopted(descriptor: Descriptor): void {
    this.optionsChanged();
    this.#peerPath = undefined;
    this.#isUdp = descriptor.isUdp;
    this.#wasAdopted = true;
    this.#sharesPort = this.peekOption("SO_REUSEPORT") > 0;
  }

  /** Duplicates the descriptor for another process, which may not support UDP_GRO. A negative errno if that fails. */
  duplicate(): number {
    this.#stopCoalescing();
    this.isShared = true;
    return this.with((descriptor) => descriptor.duplicate());
  }

  /**
   * bind(2) with the options that must be set before it. Opens the descriptor. Starts receiving before bind(2), as that
   * cannot be undone: whatever fails, the socket can be bound afterwards.
   */
  bindAndReceive(address: string, port: number, flags: BindFlags): number {
    return this.#bind(address, port, flags, true);
  }

  /**
   * Binds to any address and a port that the system selects, unless `bind` was called before. As in Node, even if that
   * failed.
   */
  bindIfUnbound(): number {
    if (this.wasBound) return 0;
    return this.#bind(ANY[this.version], 0, { reuseAddr: false, reusePort: false, ipv6Only: false }, false);
  }

  #bind(address: string, port: number, flags: BindFlags, receives: boolean): number {
    const { libc } = this.engine.runtime;
    const encoded = this.#encodeLocal(address, port);
    if (!encoded || (flags.ipv6Only && this.version === 4)) return -libc.abi.errno.EINVAL;
    const result = this.#setBindFlags(flags) || this.#requestMetadata();
    if (result < 0) return result;
    this.#sharesPort = flags.reusePort;
    const bound = receives ? this.receiveWith(() => this.bindDescriptor(encoded)) : this.bindDescriptor(encoded);
    // macOS returns EAFNOSUPPORT where Linux returns EINVAL.
    return bound === -libc.abi.errno.EAFNOSUPPORT ? -libc.abi.errno.EINVAL : bound;
  }

  /** Encodes an address to bind to, which is usually the same for all sockets. The caller has checked that it is permitted. */
  #encodeLocal(address: string, port: number): EncodedAddress | undefined {
    const addresses = this.engine.destinations[this.version];
    const known = addresses.get(address, port);
    if (known) return known;
    const encoded = this.encode(address, port);
    if (encoded && !address.includes("%")) addresses.set(address, port, encoded);
    return encoded;
  }

  /** Sets the options that must be set before bind(2). Opens the descriptor. */
  #setBindFlags({ reuseAddr, reusePort, ipv6Only }: BindFlags): number {
    const { abi } = this.engine.runtime.libc;
    const opened = this.open();
    if (opened < 0) return opened;
    if (reusePort && !abi.linux) return -abi.errno.ENOTSUP;
    // On macOS SO_REUSEADDR alone does not let two sockets share an address.
    const reuse = abi.linux ? "SO_REUSEADDR" : "SO_REUSEPORT";
    return this.#turnOn(reuseAddr, reuse) || this.#turnOn(reusePort, "SO_REUSEPORT") ||
      this.#turnOn(ipv6Only, "IPV6_V6ONLY");
  }

  #turnOn(isWanted: boolean, option: OptionName): number {
    return isWanted ? this.setOption(option, 1) : 0;
  }

  /** Called before datagrams can arrive: for one that arrived earlier, the kernel does not have all metadata. */
  #requestMetadata(): number {
    return this.#ancillaryData?.request() ?? 0;
  }

  /** The runtime's error if it does not permit the implicit binding when a multicast group is joined. */
  implicitBindRefusal(): Error | undefined {
    return this.wasBound ? undefined : this.#policy.refused(ANY[this.version], 0);
  }

  protected override receiveWith(call: () => number): number {
    const result = super.receiveWith(call);
    if (result >= 0 && this.#sharesPort) this.#joinGroup();
    return result;
  }

  override startReceiving(): number {
    const asked = this.#requestMetadata();
    return asked < 0 ? asked : super.startReceiving();
  }

  override startReceivingAdopted(): number {
    const asked = this.#requestMetadata();
    const result = asked < 0 ? asked : super.startReceivingAdopted();
    if (result >= 0 && this.#sharesPort) this.#joinGroup();
    return result;
  }

  protected override stopReceiving(): void {
    super.stopReceiving();
    if (this.#groupPort > 0) this.engine.reusePortGroups.leave(this, this.#groupPort);
    this.#groupPort = 0;
    this.#errorReceiver?.stop();
  }

  /**
   * For the poll loop. If the kernel does not support UDP_GRO, datagrams arrive one by one. UDP_GRO does not affect
   * sending, so the collected messages need not be sent first; they may be being sent at the moment.
   */
  override onWatched(): void {
    super.onWatched();
    if (!this.#offload.gro || this.isShared || this.#apart) return;
    this.coalescingRefusal = this.descriptor?.setOption("UDP_GRO", 1) ?? 0;
    if (this.coalescingRefusal < 0) this.#tellRefusal("UDP_GRO", -this.coalescingRefusal, "come one by one");
  }

  /** For the sender. */
  segmentsRefused(errno: number): void {
    this.#tellRefusal("UDP_SEGMENT", errno, "leave in smaller payloads");
  }

  #tellRefusal(what: string, errno: number, instead: string): void {
    const { debug, libc } = this.engine.runtime;
    debug?.(`${what}: the kernel says ${errnoName(libc.abi, errno)}; datagrams ${instead}`);
  }

  /** Makes the kernel deliver each datagram on its own (no UDP_GRO), or coalesced again when no reason is left. */
  keepApart(reason: ApartReason, apart: boolean): void {
    const reasons = this.#apart ?? new Set();
    const before = reasons.size > 0;
    if (apart) reasons.add(reason);
    else reasons.delete(reason);
    this.#apart = reasons.size > 0 ? reasons : undefined;
    const receives = this.token > 0 && this.#offload.gro && !this.isShared;
    if (!receives || before === reasons.size > 0) return;
    if (this.#apart) this.#stopCoalescing();
    else this.setOption("UDP_GRO", 1);
  }

  /**
   * Disables UDP_GRO. Without it the kernel does not say the size of what it has coalesced before: so what waits is received first. More may
   * come before the option is set, which is then tried again.
   */
  #stopCoalescing(): void {
    for (let tries = 0; tries < MOST_TRIES; tries++) {
      if (this.setOption("UDP_GRO", 0) < 0 || this.token === 0 || !this.#hasReceived()) return;
      if (this.setOption("UDP_GRO", 1) < 0) return;
      this.receiveAhead(new Inbox(this.engine.runtime, AHEAD));
    }
    this.setOption("UDP_GRO", 0);
  }

  /** Whether something waits in the receive buffer: datagrams, or errors. */
  #hasReceived(): boolean {
    const memory = this.#memoryInfo();
    return memory !== undefined && memory.receiveAllocated > 0;
  }

  /** Called when a program starts or stops selecting among the sockets of this one's port. */
  setPortFiltered(filtered: boolean): void {
    this.keepApart("portFilter", filtered);
    if (this.#groupPort > 0) this.engine.reusePortGroups.setFiltered(this.#groupPort, filtered);
  }

  /** Joins the sockets of the same port, if the socket has a port. */
  #joinGroup(): void {
    const local = this.localAddress();
    if (typeof local === "number" || local.port === 0) return;
    const { reusePortGroups } = this.engine;
    this.#groupPort = local.port;
    reusePortGroups.join(this, local.port);
    if (this.#apart?.has("portFilter")) reusePortGroups.setFiltered(local.port, true);
  }

  /** connect(2). EISCONN if the socket is connected, as in libuv: a lookup may call back twice. */
  override connect(address: string, port: number): number {
    if (this.isConnected) return -this.engine.runtime.libc.abi.errno.EISCONN;
    this.#peerPath = undefined;
    this.#lockedMTUs?.routesChanged();
    return super.connect(address, port);
  }

  override disconnect(): number {
    this.#peerPath = undefined;
    return super.disconnect();
  }

  /** Binds to an interface, or to none. Opens the descriptor, so that it can be done before bind(2). */
  bindToDevice(name: string): number {
    const { libc } = this.engine.runtime;
    const index = name === "" ? 0 : interfaceIndex(libc, name);
    if (index < 0) return index;
    this.#lockedMTUs?.routesChanged();
    return this.openWith((descriptor) => descriptor.bindToDevice(this.version, name, index));
  }

  /**
   * Sets a membership. Binds the socket first. @param option The encoded option, or a negative errno if it could not be
   * encoded.
   */
  setMembership(option: EncodedOption | number): number {
    if (typeof option === "number") return option;
    const bound = this.bindIfUnbound();
    return bound < 0 ? bound : this.setEncodedOption(option);
  }

  /** setsockopt(2) of an encoded option on which nothing else here depends. @param option As for memberships. */
  setEncodedOption(option: EncodedOption | number): number {
    return typeof option === "number"
      ? option
      : this.#noting(option, this.with((descriptor) => descriptor.setEncodedOption(option)));
  }

  override setRawOption(option: EncodedOption): number {
    return this.#noting(option, super.setRawOption(option));
  }

  #noting({ level, name, value }: EncodedOption, result: number): number {
    const { levels, options } = this.engine.runtime.libc.abi;
    if (result >= 0 && level === levels.IPPROTO_IP && name === options.IP_MULTICAST_IF) {
      this.#multicastInterface = value;
      this.#lockedMTUs?.routesChanged();
    }
    return result;
  }

  protected override optionsChanged(): void {
    this.#typesOfService = undefined;
    this.#fragmentation = undefined;
    this.#lockedMTUs?.routesChanged();
  }

  /**
   * getsockopt(2) of an option. Unlike `getOption` it does not send the messages of this turn first, as it changes
   * nothing.
   */
  peekOption(name: OptionName): number {
    return this.descriptor?.getOption(name) ?? this.notOpen;
  }

  /** For the receiver. */
  override drops(sender: SocketAddress): boolean {
    return this.#policy.drops(sender);
  }

  /** For the receiver. */
  override remoteInfo(payload: Received, size: number): RemoteInfo {
    return remoteInfo(payload, size);
  }

  /** For the receiver. UDP datagrams have no ancillary data that must be released. */
  override discard(): void {}

  protected override get inbox(): Inbox {
    return this.engine.inbox;
  }

  /** For the receiver. */
  override get controlDecoder(): ControlDecoder | undefined {
    return this.#ancillaryData?.decoder;
  }

  /** The socket's ancillary data. */
  get ancillaryData(): AncillaryData {
    return this.#ancillaryData ??= new AncillaryData(this.engine.runtime.libc, this);
  }

  /** Reads the socket's error queue. */
  get errorReceiver(): ErrorReceiver {
    const { errorQueue, runtime } = this.engine;
    return this.#errorReceiver ??= new ErrorReceiver(errorQueue, this, runtime.libc.abi);
  }

  /** For the poll loop. */
  override onTurnOver(): boolean {
    const isMoreReceived = super.onTurnOver();
    return isMoreReceived || (this.#errorReceiver?.isMoreFetched ?? false);
  }

  /** For the poll loop. */
  override get readsErrors(): boolean {
    return this.#errorReceiver !== undefined;
  }

  /** For the poll loop. */
  override onError(): boolean {
    if (!this.#errorReceiver) return super.onError();
    this.takesErrors();
    return this.#errorReceiver.step();
  }

  /** For the receiver. */
  override fail(errno: number): void {
    if (!this.#errorReceiver?.repeats(errno)) super.fail(errno);
  }

  /** How often the error queue may have been full when it was read. */
  get errorQueueOverruns(): number {
    return this.#errorReceiver?.overruns ?? 0;
  }

  /** For the error receiver. False before Linux 4.12, which has no SO_MEMINFO: then it is not known. */
  hadNoRoom(): boolean {
    const memory = this.#memoryInfo();
    if (memory === undefined) return false;
    // A filter drops datagrams, too.
    return (this.#receiveBuffer ??= new ReceiveBuffer()).wasFull(memory, !this.#apart?.has("filter"));
  }

  #memoryInfo(): MemoryInfo | undefined {
    const { abi } = this.engine.runtime.libc;
    const option = optionOf(abi, "SO_MEMINFO");
    const memory = option && this.descriptor?.getRawOption(option.level, option.name, MEMORY_INFO_SIZE);
    return memory === undefined || typeof memory === "number" ? undefined : decodeMemoryInfo(abi, memory);
  }

  /** For the error receiver. */
  requestErrorTurn(): void {
    this.engine.loop.requestTurn(this, ERROR);
  }

  /** For the error receiver. */
  deliverNetworkError(error: NetworkError): void {
    this.emit("networkError", error);
  }

  /** Reports when a datagram left. */
  deliverSendTimestamp(timestamp: SendTimestamp): void {
    this.emit("sendTimestamp", timestamp);
  }

  protected override makeSender(): Sender {
    const { outbox, runtime } = this.engine;
    return new Sender(runtime.libc, outbox, this, this.#mayJoinSegments());
  }

  /**
   * Whether several messages may go to the kernel as one payload. They may not if each is to have a timestamp, or its
   * own network errors: a payload that is not cut on its way, as to a container, is refused as a whole.
   */
  #mayJoinSegments(): boolean {
    return this.#offload.gso && this.#isUdp && !this.#ancillaryData?.sendTimestamps &&
      !this.#errorReceiver?.takesNetworkErrors;
  }

  /** Updates whether messages may go to the kernel as one payload. Messages that were sent before are not affected. */
  updateSegments(): void {
    this.engine.outbox.flush();
    this.sender?.allowSegments?.(this.#mayJoinSegments());
  }

  /** For the sender. */
  mayRetry(errno: number, attempt: number): boolean {
    return this.#errorReceiver !== undefined && this.#errorReceiver.mayRetry(errno, attempt);
  }

  /** For the sender. */
  refusal(): number {
    return this.#errorReceiver?.takesNetworkErrors ? this.#errorReceiver.localError() : 0;
  }

  /** For the sender. Read once after each change. */
  fragmentation(): Fragmentation {
    return this.#fragmentation ??= this.#readFragmentation();
  }

  #readFragmentation(): Fragmentation {
    const { linux } = this.engine.runtime.libc.abi;
    if (linux === undefined) return "any";
    const mode = this.peekOption("IP_MTU_DISCOVER");
    if (mode === linux.IP_PMTUDISC_WANT) return "large";
    return mode === linux.IP_PMTUDISC_DO || mode === linux.IP_PMTUDISC_PROBE ? "none" : "any";
  }

  /** For the sender. */
  get isSole(): boolean {
    return !this.isShared && !this.#wasAdopted;
  }

  /** For the sender. */
  forbidFragments(forbidden: boolean): number {
    const { IP_PMTUDISC_DO, IP_PMTUDISC_WANT } = this.engine.runtime.libc.abi.linux!;
    const mode = forbidden ? IP_PMTUDISC_DO : IP_PMTUDISC_WANT;
    return this.descriptor?.setOption("IP_MTU_DISCOVER", mode) ?? 0;
  }

  /** For the sender. */
  unsentBytes(): number {
    const { linux } = this.engine.runtime.libc.abi;
    return linux ? this.descriptor?.readInt(linux.SIOCOUTQ) ?? 0 : 0;
  }

  /** For the sender. */
  pathTo(address: EncodedAddress | undefined): Path | undefined {
    return address ? (this.#paths ??= this.#makePaths()).to(address) : this.#peerPath ??= this.#pathToPeer();
  }

  /** For the sender. */
  isMTULocked(path: Path, controls: EncodedControls | undefined): boolean {
    const { libc } = this.engine.runtime;
    return (this.#lockedMTUs ??= new LockedMTUs(libc, this)).isLocked(path, controls);
  }

  /** For the routes. */
  get multicastInterface(): Uint8Array | undefined {
    return this.#multicastInterface;
  }

  #makePaths(): Paths {
    const { sockaddr_in, sockaddr_in6 } = this.engine.runtime.libc.abi.layouts;
    return new Paths(this.version, this.version === 4 ? sockaddr_in.sin_addr : sockaddr_in6.sin6_addr);
  }

  #pathToPeer(): Path | undefined {
    const peer = this.remoteAddress();
    const ip = typeof peer === "number" ? undefined : parseIp(peer.address);
    return ip && pathTo(this.version, ip.bytes);
  }

  /** Creates the encoder of the options of `send()`. */
  controlsEncoder(): SendControlsEncoder {
    return new SendControlsEncoder(this.engine.runtime.libc, this);
  }

  /** For the encoder. */
  get hasTxTime(): boolean {
    return this.#ancillaryData?.hasTxTime ?? false;
  }

  /** For the encoder: IP_TOS or IPV6_TCLASS. Read once after each change. */
  typeOfServiceOf(wire: IpVersion): number {
    const known = this.#typesOfService ??= { 4: -1, 6: -1 };
    if (known[wire] >= 0 && !this.isShared) return known[wire];
    return known[wire] = Math.max(this.peekOption(wire === 4 ? "IP_TOS" : "IPV6_TCLASS"), 0);
  }

  /**
   * The protocol that carries datagrams to a destination, or to the peer. Over an IPv6 socket, mapped addresses use
   * IPv4.
   */
  wireTo(destination: EncodedAddress | undefined): IpVersion {
    if (this.version === 4) return 4;
    if (destination) return isMappedName(this.engine.runtime.libc.abi, destination) ? 4 : 6;
    return this.pathTo(undefined)?.byIPv4 ? 4 : 6;
  }
}
