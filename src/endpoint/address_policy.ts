/**
 * Which addresses a socket may send to and receive from: the runtime's network permission and the user's block lists.
 *
 * @module
 */
import type { BlockList } from "node:net";
import type { NetworkPermission } from "../../ffi/runtimes/network_permission.ts";
import { ipVersionOf } from "../../ffi/wire/inet.ts";
import type { SocketAddress } from "../../ffi/wire/sockaddr.ts";
import { ipBlocked } from "../errors/node_errors.ts";

/** The user's block lists. */
interface BlockLists {
  readonly sendBlockList: BlockList | undefined;
  readonly receiveBlockList: BlockList | undefined;
}

/** The policies of sockets without block lists, which share them: there may be ten thousand. */
const withoutLists = new WeakMap<NetworkPermission, AddressPolicy>();

/** The policy of one socket. */
export function addressPolicyOf(network: NetworkPermission, lists: BlockLists): AddressPolicy {
  if (lists.sendBlockList || lists.receiveBlockList) return new AddressPolicy(network, lists);
  let shared = withoutLists.get(network);
  if (!shared) withoutLists.set(network, shared = new AddressPolicy(network, lists));
  return shared;
}

/** See {@linkcode addressPolicyOf}. */
export class AddressPolicy {
  readonly #network: NetworkPermission;
  readonly #sendBlockList: BlockList | undefined;
  readonly #receiveBlockList: BlockList | undefined;

  constructor(network: NetworkPermission, { sendBlockList, receiveBlockList }: BlockLists) {
    this.#network = network;
    this.#sendBlockList = sendBlockList;
    this.#receiveBlockList = receiveBlockList;
  }

  /** Whether destinations must be checked each time, as a block list can change. */
  get hasSendBlockList(): boolean {
    return this.#sendBlockList !== undefined;
  }

  /** The runtime's network permission. */
  get network(): NetworkPermission {
    return this.#network;
  }

  /** The error for a destination that is in the block list. */
  blocked(ip: string): Error | undefined {
    return isListed(this.#sendBlockList, ip) ? ipBlocked(ip) : undefined;
  }

  /**
   * The runtime's error if it does not permit the address. Not for text that is not an address, which fails elsewhere.
   */
  refused(ip: string, port: number): Error | undefined {
    return ipVersionOf(ip) === 0 ? undefined : this.#network.refusal(ip, port);
  }

  /** Whether the datagrams of a sender are dropped. */
  drops({ address }: SocketAddress): boolean {
    return isListed(this.#receiveBlockList, address);
  }
}

/** A block list does not support zones. */
function isListed(list: BlockList | undefined, ip: string): boolean {
  if (list === undefined) return false;
  const percent = ip.indexOf("%");
  const address = percent < 0 ? ip : ip.slice(0, percent);
  const version = ipVersionOf(address);
  return version !== 0 && list.check(address, version === 6 ? "ipv6" : "ipv4");
}
