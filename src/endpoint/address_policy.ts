/**
 * Which addresses a socket may use and hear: the runtime's network permission and the block lists of the user.
 *
 * @module
 */
import type { BlockList } from "node:net";
import type { NetworkPermission } from "../../ffi/runtimes/network_permission.ts";
import { ipVersionOf } from "../../ffi/wire/inet.ts";
import type { SocketAddress } from "../../ffi/wire/sockaddr.ts";
import { ipBlocked } from "../errors/node_errors.ts";

/** The user's lists. */
interface BlockLists {
  readonly sendBlockList: BlockList | undefined;
  readonly receiveBlockList: BlockList | undefined;
}

/** Those of sockets without block lists, which have them in common: there may be ten thousand. */
const withoutLists = new WeakMap<NetworkPermission, AddressPolicy>();

/** One socket's rules. */
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

  /** Whether destinations have to be asked about each time: a block list may change. */
  get hasSendBlockList(): boolean {
    return this.#sendBlockList !== undefined;
  }

  /** The runtime's network permission. */
  get network(): NetworkPermission {
    return this.#network;
  }

  /** The error for an address that the block list keeps from being sent to. */
  blocked(ip: string): Error | undefined {
    return isListed(this.#sendBlockList, ip) ? ipBlocked(ip) : undefined;
  }

  /** The runtime's error where it does not permit the use of an address. A text that is no address fails by itself. */
  refused(ip: string, port: number): Error | undefined {
    return ipVersionOf(ip) === 0 ? undefined : this.#network.refusal(ip, port);
  }

  /** Whether a sender's datagrams are to be dropped. */
  drops({ address }: SocketAddress): boolean {
    return isListed(this.#receiveBlockList, address);
  }
}

/** A block list knows nothing of zones. */
function isListed(list: BlockList | undefined, ip: string): boolean {
  if (list === undefined) return false;
  const percent = ip.indexOf("%");
  const address = percent < 0 ? ip : ip.slice(0, percent);
  const version = ipVersionOf(address);
  return version !== 0 && list.check(address, version === 6 ? "ipv6" : "ipv4");
}
