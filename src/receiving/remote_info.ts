/**
 * `rinfo` of UDP datagrams.
 *
 * @module
 */
import type { SocketAddress } from "../../ffi/wire/sockaddr.ts";
import type { Received } from "./message_batch.ts";
import type { ReceiveDetails, RemoteInfo } from "./types.ts";

/** `rinfo` of one datagram of a payload: a new object. */
export function remoteInfo({ sender, details }: Received, size: number): RemoteInfo {
  if (details) return new DetailedInfo(sender, size, details);
  const { address, family, port } = sender;
  return { address, family, port, size } as RemoteInfo;
}

/**
 * A constructor, because engines then create an object with all its properties at once. Copying one with as many properties takes
 * three times as long in V8. The result is a plain object anyway.
 */
function Detailed(this: RemoteInfo, sender: SocketAddress, size: number, details: ReceiveDetails): void {
  this.address = sender.address;
  this.family = sender.family as RemoteInfo["family"];
  this.port = sender.port;
  this.size = size;
  if (details.interfaceIndex !== undefined) {
    this.localAddress = details.localAddress!;
    this.interfaceIndex = details.interfaceIndex;
    this.interfaceName = details.interfaceName!;
  }
  if (details.originalPort !== undefined) {
    this.originalAddress = details.originalAddress!;
    this.originalPort = details.originalPort;
  }
  if (details.ttl !== undefined) this.ttl = details.ttl;
  if (details.tos !== undefined) {
    this.tos = details.tos;
    this.dscp = details.dscp!;
    this.ecn = details.ecn!;
  }
  if (details.timestamp !== undefined) this.timestamp = details.timestamp;
  if (details.hardwareTimestamp !== undefined) this.hardwareTimestamp = details.hardwareTimestamp;
  if (details.truncated !== undefined) this.truncated = details.truncated;
  if (details.controlTruncated !== undefined) this.controlTruncated = details.controlTruncated;
  if (details.segmentSize !== undefined) this.segmentSize = details.segmentSize;
  if (details.dropped !== undefined) this.dropped = details.dropped;
}
Detailed.prototype = Object.prototype;

const DetailedInfo = Detailed as unknown as new (
  sender: SocketAddress,
  size: number,
  details: ReceiveDetails,
) => RemoteInfo;
