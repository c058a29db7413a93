/**
 * Pings an IPv4 address without a privilege: Linux has datagram sockets for ICMP's echo requests, for the groups in
 * net.ipv4.ping_group_range. This module does not open such sockets, but takes one over.
 *
 *     deno run -A examples/ping.ts 127.0.0.1
 *     bun examples/ping.ts 127.0.0.1
 *     node examples/ping.ts 127.0.0.1
 *
 * @module
 */
import process from "node:process";
// A program of your own opens the socket with its runtime's FFI, or inherits it.
import { currentRuntime } from "../ffi/load.ts";
import { clockTime, createSocket } from "../mod.ts";

const COUNT = 5;
/** Bytes of a request: ICMP's header of 8, then what comes back. */
const SIZE = 64;
/** In milliseconds. */
const PATIENCE = 2000;
const [ECHO_REPLY, ECHO_REQUEST, IPPROTO_ICMP] = [0, 8, 1];

const address = process.argv[2] ?? "127.0.0.1";
const { libc } = currentRuntime();
const { AF_INET, SOCK_DGRAM } = libc.abi.constants;
const fd = libc.socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP);
if (fd < 0) throw new Error(`socket: errno ${-fd}; net.ipv4.ping_group_range says who may`);

const socket = createSocket({ fd, recvTTL: true });
const sentAt: bigint[] = [];
let answers = 0;
const timer = setTimeout(() => socket.close(), PATIENCE);
socket.on("message", (message, { address, size, ttl }) => {
  if (message[0] !== ECHO_REPLY) return;
  const number = message.readUInt16BE(6);
  const sent = sentAt[number];
  if (sent === undefined) return;
  const microseconds = Number(clockTime("monotonic") - sent) / 1000;
  console.log(`${size} bytes from ${address}: seq=${number} ttl=${ttl} time=${microseconds.toFixed(0)} us`);
  if (++answers < COUNT) return;
  clearTimeout(timer);
  socket.close();
});
for (let number = 0; number < COUNT; number++) {
  const request = new Uint8Array(SIZE);
  // The kernel puts in the checksum and the identifier.
  request[0] = ECHO_REQUEST;
  request[7] = number;
  sentAt[number] = clockTime("monotonic");
  // There are no ports; one has to be given.
  socket.send(request, 1, address);
}
