/**
 * The part of an endpoint that sets and gets options.
 *
 * Results are as those of the endpoint: values or negative errno numbers.
 *
 * @module
 */
import type { Descriptor } from "../../ffi/descriptor.ts";
import type { IpVersion } from "../../ffi/wire/inet.ts";
import { interfaceIndex } from "../../ffi/wire/interfaces.ts";
import {
  type EncodedOption,
  encodeMembership,
  encodeMulticastInterface,
  encodeSourceMembership,
  type SourceOperation,
} from "../../ffi/wire/membership.ts";
import type { FilterInstruction } from "../../ffi/wire/packet_filter.ts";
import type { OptionName } from "../../ffi/wire/sockopt.ts";
import type { Engine } from "./engine.ts";

/** How to bind. */
export interface BindFlags {
  readonly reuseAddr: boolean;
  readonly reusePort: boolean;
  readonly ipv6Only: boolean;
}

/**
 * Why the kernel must hand over each datagram alone: a filter of the socket or of all sockets of its port has to see each one;
 * datagrams that are lost are counted one by one.
 */
export type ApartReason = "filter" | "portFilter" | "dropCount";

/** What has options: a descriptor, or one to be. */
export abstract class EndpointOptions {
  /** The IP version of a UDP socket. */
  abstract get version(): IpVersion;
  /** What the socket shares with others of its thread. */
  protected abstract get engine(): Engine;
  /** The descriptor, or -1 where there is none. */
  abstract get fd(): number;
  /** Makes the descriptor, unless there is one. */
  abstract open(): number;
  /** Binds, unless `bind` was called before. */
  abstract bindIfUnbound(): number;
  /** Calls what may change how messages leave: those of this turn leave as they would have. EBADF without a descriptor. */
  protected abstract with<Result>(call: (descriptor: Descriptor) => Result | number): Result | number;

  /** Some option may have changed: what was read of the options before is to be read again. */
  protected abstract optionsChanged(): void;

  /** setsockopt(2) */
  setOption(name: OptionName, value: number): number {
    this.optionsChanged();
    return this.with((descriptor) => descriptor.setOption(name, value));
  }

  /** getsockopt(2) */
  getOption(name: OptionName): number {
    return this.with((descriptor) => descriptor.getOption(name));
  }

  /** Binds to an interface, or to none. Opens the descriptor, so that it can be done before bind(2). */
  bindToDevice(name: string): number {
    const { libc } = this.engine.runtime;
    const index = name === "" ? 0 : interfaceIndex(libc, name);
    if (index < 0) return index;
    return this.openWith((descriptor) => descriptor.bindToDevice(this.version, name, index));
  }

  /** What must be set before bind(2). Opens the descriptor. */
  protected setBindFlags({ reuseAddr, reusePort, ipv6Only }: BindFlags): number {
    const { abi } = this.engine.runtime.libc;
    const opened = this.open();
    if (opened < 0) return opened;
    if (reusePort && !abi.linux) return -abi.errno.ENOTSUP;
    // On macOS SO_REUSEADDR alone does not let two sockets share an address.
    const reuse = abi.linux ? "SO_REUSEADDR" : "SO_REUSEPORT";
    return this.turnOn(reuseAddr, reuse) || this.turnOn(reusePort, "SO_REUSEPORT") ||
      this.turnOn(ipv6Only, "IPV6_V6ONLY");
  }

  /** setsockopt(2) with the value's bytes. Opens the descriptor. */
  setRawOption(option: EncodedOption): number {
    this.optionsChanged();
    return this.openWith((descriptor) => descriptor.setEncodedOption(option));
  }

  /** getsockopt(2) of as many bytes, or fewer. Opens the descriptor. */
  getRawOption(level: number, name: number, length: number): Uint8Array<ArrayBuffer> | number {
    return this.openWith((descriptor) => descriptor.getRawOption(level, name, length));
  }

  /** ioctl(2) of a request that gives an int. Linux. Opens the descriptor. */
  readInt(request: number): number {
    return this.openWith((descriptor) => descriptor.readInt(request));
  }

  /** Attaches a packet filter. Opens the descriptor. */
  attachFilter(level: number, name: number, program: readonly FilterInstruction[]): number {
    return this.openWith((descriptor) => descriptor.attachFilter(level, name, program));
  }

  /** Joins or leaves a multicast group; binds first. */
  setMembership(join: boolean, group: string, iface: string | undefined): number {
    const { libc } = this.engine.runtime;
    return this.setEncoded(true, encodeMembership(libc, join, group, iface));
  }

  /** Joins or leaves a source-specific channel, or blocks a source of a group and lets it be heard again; binds first. */
  setSource(operation: SourceOperation, source: string, group: string, iface: string | undefined): number {
    return this.setEncoded(
      true,
      encodeSourceMembership(this.engine.runtime.libc, operation, source, group, iface),
    );
  }

  /** Chooses the interface that multicast leaves by. */
  setMulticastInterface(iface: string): number {
    const { libc } = this.engine.runtime;
    return this.setEncoded(false, encodeMulticastInterface(libc, this.version, iface));
  }

  protected turnOn(isWanted: boolean, option: OptionName): number {
    return isWanted ? this.setOption(option, 1) : 0;
  }

  protected setEncoded(binds: boolean, option: EncodedOption | number): number {
    if (typeof option === "number") return option;
    const bound = binds ? this.bindIfUnbound() : 0;
    return bound < 0 ? bound : this.with((descriptor) => descriptor.setEncodedOption(option));
  }

  /** For what can be set before bind(2): opens the descriptor if need be. */
  protected openWith<Result>(call: (descriptor: Descriptor) => Result | number): Result | number {
    const opened = this.open();
    return opened < 0 ? opened : this.with(call);
  }
}
