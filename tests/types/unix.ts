// The types of Unix sockets, and what either kind of socket tells of a datagram.
import { createSocket, type RemoteInfo, socketpair, type UnixRemoteInfo, type UnixSocket } from "dgram-ffi";
import type { Dgram, RemoteInfo as JsreRemoteInfo, Socket } from "dgram-ffi/jsre";
import unix, { type MessageInfo, type Socket as UnixDgram, type UnixDgramError } from "dgram-ffi/unix-dgram";

const server: UnixSocket = createSocket("unix_dgram", (message: Buffer, info: UnixRemoteInfo) => {
  const fd: number | undefined = info.fds?.take();
  server.send(message, info.path, (error) => console.log(error?.message, fd, info.credentials?.uid));
});
const [left]: [UnixSocket, UnixSocket] = socketpair({ recvFds: true });
left.send("hello", { fds: [process.stdout.fd] });

const client: UnixDgram = unix.createSocket("unix_dgram", (message: Buffer, { path }: MessageInfo) => {
  console.log(message.length, path?.length);
});
client.on("error", (error: UnixDgramError) => console.log(error.code.toFixed()));

export const same = (info: RemoteInfo): JsreRemoteInfo => info;
export const details = ({ localAddress, ttl, ecn }: RemoteInfo): unknown[] => [localAddress, ttl?.toFixed(), ecn];
export const common = (socket: Dgram): Socket["getsockopt"] => socket.getsockopt;
// @ts-expect-error A Unix socket has no ports.
server.send("hello", 4711, "127.0.0.1");
