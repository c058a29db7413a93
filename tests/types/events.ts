// Events, iteration and promises, as TypeScript sees them.
import { on, once } from "node:events";
import { createSocket, type RemoteInfo, type Statistics } from "dgram-ffi";
import { createSocket as createPromised } from "dgram-ffi/promises";

const socket = createSocket("udp4");
socket.on("message", (message, remote) => {
  const size: number = message.length + remote.size;
  const address: string = remote.address;
  console.log(size, address);
});
socket.once("listening", () => socket.address().port.toFixed());
socket.once("error", (error) => error.message.length);
socket.on("messages", (batch) => batch.totalSize.toFixed());
socket.on("networkError", ({ code, offender }) => console.log(code, offender));
socket.on("drain", () => {});

async function iterate(signal: AbortSignal): Promise<void> {
  const [listening] = await once(socket, "listening");
  console.log(listening);
  for await (const [message, remote] of on(socket, "message", { signal })) {
    console.log((message as Uint8Array).length, (remote as RemoteInfo).port);
  }
  for await (const [message, remote] of socket) {
    const port: number = remote.port;
    console.log(message.byteLength, port);
  }
  const statistics: Statistics = socket.getStatistics();
  console.log(statistics.received.datagrams, socket.pause().isPaused(), socket.fd);
}

async function ask(signal: AbortSignal): Promise<string> {
  await using promised = createPromised({ type: "udp6", sendQueueLimit: 1 << 20 });
  const { port } = await promised.bind(0, "::1", { signal });
  const sent: number = await promised.send("x", { port, signal });
  const [answer, { address }] = await promised.request("x", {
    port,
    timeout: sent,
    match: (message) => message.length > 0,
  });
  promised.socket.on("drain", () => {});
  return answer.toString() + address;
}

export { ask, iterate };
