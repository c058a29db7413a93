/**
 * The sockets of this thread that share a port (SO_REUSEPORT), and whether a program chooses among them.
 *
 * A program has to see each datagram. The kernel asks it once for datagrams that a device has coalesced, and it coalesces them
 * if the socket that the first one is for has UDP_GRO on. So none of the port's sockets may have it on.
 *
 * @module
 */

/** A socket of a group. */
export interface GroupMember {
  /** Has the kernel hand over each datagram alone while a program chooses, or together again. */
  keepApart(reason: "portFilter", apart: boolean): void;
}

/** One thread's groups, by port: what differs in address or protocol only is taken for one group. */
export class ReusePortGroups {
  readonly #members = new Map<number, Set<GroupMember>>();
  /** Ports with a program. */
  readonly #filtered = new Set<number>();

  /** A socket was bound to a port. */
  join(member: GroupMember, port: number): void {
    const members = this.#members.get(port) ?? new Set();
    this.#members.set(port, members.add(member));
    if (this.#filtered.has(port)) member.keepApart("portFilter", true);
  }

  /** It is closed. The kernel forgets the program with the last socket. */
  leave(member: GroupMember, port: number): void {
    const members = this.#members.get(port);
    members?.delete(member);
    if (members?.size !== 0) return;
    this.#members.delete(port);
    this.#filtered.delete(port);
  }

  /** A program was attached to a port's sockets, or taken away. */
  setFiltered(port: number, filtered: boolean): void {
    if (filtered) this.#filtered.add(port);
    else this.#filtered.delete(port);
    for (const member of this.#members.get(port) ?? []) member.keepApart("portFilter", filtered);
  }
}
