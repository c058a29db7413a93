// An application as it is written for the built-in module. It must compile when its import line names the package instead.
import dgram, { createSocket, type RemoteInfo, Socket, type SocketOptions } from "node:dgram";

const options: SocketOptions = { type: "udp6", ipv6Only: true, reuseAddr: true, recvBufferSize: 65_536 };
const controller = new AbortController();

export class Counter extends Socket {
  seen = 0;
}

function serve(socket: Socket): void {
  socket.on("listening", () => console.log(socket.address().port));
  socket.on("message", (message: Buffer, remote: RemoteInfo) => {
    socket.send(message, remote.port, remote.address, (error, bytes) => console.log(error?.message, bytes.toFixed()));
  });
  socket.once("error", (error: Error) => console.error(error.message)).on("close", () => {});
  socket.bind({ port: 0, address: "::1", exclusive: true }, () => socket.unref());
}

serve(createSocket(options, (message, remote) => console.log(message.length, remote.family, remote.size)));
serve(
  dgram.createSocket({
    type: "udp4",
    signal: controller.signal,
    lookup: (_name, _options, done) => done(null, "::1", 6),
  }),
);

export async function speak(counter: Counter): Promise<void> {
  counter.connect(4711, "localhost", () => counter.send([Buffer.from("a"), "b"], (error) => console.log(error)));
  counter.send("text", 0, 2, 4711, "127.0.0.1");
  counter.send(new Uint8Array(4), 4711);
  counter.addMembership("224.0.0.114", "127.0.0.1");
  counter.dropMembership("224.0.0.114");
  counter.addSourceSpecificMembership("127.0.0.1", "232.0.0.1");
  counter.setMulticastInterface("127.0.0.1");
  counter.setBroadcast(true);
  const ttl: number = counter.setTTL(4) + counter.setMulticastTTL(2);
  const size: number = counter.getRecvBufferSize() + counter.getSendQueueCount() + ttl;
  counter.setSendBufferSize(size);
  const { address, family, port } = counter.remoteAddress();
  console.log(address, family, port);
  counter.disconnect();
  counter.ref().unref().close(() => {});
  await counter[Symbol.asyncDispose]();
}
