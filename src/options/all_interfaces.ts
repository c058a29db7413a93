/**
 * Multicast groups on all interfaces, also on those that are added later. The kernel joins a group on one interface at a time, and forgets
 * the membership when the interface is removed. So the interfaces are checked periodically while there is such a membership.
 *
 * @module
 */
import process, { clearTimeout, setTimeout } from "../../ffi/runtimes/process.ts";
import { parseIp } from "../../ffi/wire/inet.ts";
import { interfaceNamed } from "../../ffi/wire/interfaces.ts";
import { encodeMembership } from "../../ffi/wire/membership.ts";
import type { AnySocket } from "../endpoint/events.ts";
import { engineOf, runningUdpEndpoint } from "../endpoint/socket_state.ts";
import type { UdpEndpoint } from "../endpoint/udp_endpoint.ts";
import { missingArg } from "../errors/node_errors.ts";
import { validateString } from "../errors/validate.ts";

/** How often interfaces are checked, in milliseconds. */
const PERIOD = 2000;

/** One socket's groups. */
class Memberships {
  readonly #endpoint: UdpEndpoint;
  readonly #socket: AnySocket;
  /** For each group the indexes of the interfaces on which this has joined it. */
  readonly #groups = new Map<string, Set<number>>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(socket: AnySocket, endpoint: UdpEndpoint) {
    this.#socket = socket;
    this.#endpoint = endpoint;
    endpoint.atClose(() => this.#stop());
  }

  /** @throws The error of the first interface that refuses; then the group is joined on none. */
  add(group: string): void {
    const joined = this.#groups.get(group) ?? new Set();
    const failure = this.#update(group, joined);
    if (failure < 0) {
      this.#leave(group, joined);
      this.#groups.delete(group);
      engineOf(this.#socket).errors.check(failure, "addMembershipOnAllInterfaces");
    }
    this.#groups.set(group, joined);
    this.#wait();
  }

  /** @returns Whether this has joined it. */
  drop(group: string): boolean {
    const joined = this.#groups.get(group);
    if (!joined) return false;
    this.#leave(group, joined);
    this.#groups.delete(group);
    if (this.#groups.size === 0) this.#stop();
    return true;
  }

  #wait(): void {
    this.#stop();
    this.#timer = setTimeout(() => {
      for (const [group, joined] of this.#groups) this.#update(group, joined);
      this.#wait();
    }, PERIOD);
    this.#timer.unref();
  }

  #stop(): void {
    if (this.#timer !== undefined) clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** Joins on new interfaces, and forgets removed ones. @returns 0, or the negative errno of the first that failed. */
  #update(group: string, joined: Set<number>): number {
    const { EADDRINUSE, EADDRNOTAVAIL, ENODEV } = engineOf(this.#socket).runtime.libc.abi.errno;
    const present = this.#interfacesFor(group);
    for (const index of joined) {
      if (present.has(index)) continue;
      this.#set("leave", group, index);
      joined.delete(index);
    }
    let failure = 0;
    for (const index of present) {
      if (joined.has(index)) continue;
      const result = this.#set("join", group, index);
      if (result >= 0) joined.add(index);
      // The program has joined the group there itself, or the interface was removed again.
      else if (![EADDRINUSE, EADDRNOTAVAIL, ENODEV].includes(-result)) failure ||= result;
    }
    return failure;
  }

  #leave(group: string, joined: Set<number>): void {
    for (const index of joined) this.#set("leave", group, index);
    joined.clear();
  }

  #set(operation: "join" | "leave", group: string, index: number): number {
    return this.#endpoint.setMembership(encodeMembership(engineOf(this.#socket).runtime.libc, operation, group, index));
  }

  /** The indexes of the interfaces that have an address of the group's protocol. */
  #interfacesFor(group: string): Set<number> {
    const { libc } = engineOf(this.#socket).runtime;
    const family = `IPv${parseIp(group)?.version ?? this.#endpoint.version}`;
    const indexes = new Set<number>();
    const interfaces = process.getBuiltinModule("node:os").networkInterfaces();
    for (const [name, addresses] of Object.entries(interfaces)) {
      const index = addresses?.some((address) => address.family === family) ? interfaceNamed(libc, name) : 0;
      if (index > 0) indexes.add(index);
    }
    return indexes;
  }
}

const memberships = new WeakMap<UdpEndpoint, Memberships>();

/** See {@linkcode Socket.addMembershipOnAllInterfaces}. */
export function addMembershipOnAllInterfaces(socket: AnySocket, group: string): true {
  const endpoint = checked(socket, group);
  let own = memberships.get(endpoint);
  if (!own) memberships.set(endpoint, own = new Memberships(socket, endpoint));
  own.add(group);
  return true;
}

/** See {@linkcode Socket.dropMembershipOnAllInterfaces}. */
export function dropMembershipOnAllInterfaces(socket: AnySocket, group: string): true {
  const endpoint = checked(socket, group);
  const { errors, runtime } = engineOf(socket);
  const isDone = memberships.get(endpoint)?.drop(group) ?? false;
  return errors.check(isDone ? 0 : -runtime.libc.abi.errno.EADDRNOTAVAIL, "dropMembershipOnAllInterfaces");
}

function checked(socket: AnySocket, group: string): UdpEndpoint {
  const endpoint = runningUdpEndpoint(socket);
  if (group === undefined || group === null) throw missingArg("multicastAddress");
  validateString(group, "multicastAddress");
  const refusal = endpoint.implicitBindRefusal();
  if (refusal) throw refusal;
  return endpoint;
}
