/**
 * The sockets of this thread that share a port (SO_REUSEPORT), and whether a program selects among them.
 *
 * The program must see each datagram. The kernel runs it once for datagrams that a device has coalesced, and coalesces
 * them if the socket that the first one is for has UDP_GRO enabled. So it must be disabled on all sockets of the port.
 *
 * @module
 */

/** A socket of a group. */
export interface GroupMember {
  /** Makes the kernel deliver each datagram on its own while a program selects, or coalesced again. */
  keepApart(reason: "portFilter", apart: boolean): void;
}

/**
 * The groups of one thread, by port. Sockets of one port that differ in address or protocol are treated as one group.
 */
export class ReusePortGroups {
  readonly #members = new Map<number, Set<GroupMember>>();
  /** The ports with a program. */
  readonly #filtered = new Set<number>();

  /** Adds a socket that was bound to a port. */
  join(member: GroupMember, port: number): void {
    const members = this.#members.get(port) ?? new Set();
    this.#members.set(port, members.add(member));
    if (this.#filtered.has(port)) member.keepApart("portFilter", true);
  }

  /** Removes a socket that is closed. The kernel drops the program with the last socket. */
  leave(member: GroupMember, port: number): void {
    const members = this.#members.get(port);
    members?.delete(member);
    if (members?.size !== 0) return;
    this.#members.delete(port);
    this.#filtered.delete(port);
  }

  /** Called when a program was attached to the sockets of a port, or detached. */
  setFiltered(port: number, filtered: boolean): void {
    if (filtered) this.#filtered.add(port);
    else this.#filtered.delete(port);
    for (const member of this.#members.get(port) ?? []) member.keepApart("portFilter", filtered);
  }
}
