import dgram, { type BindOptions, createSocket, type RemoteInfo, type Socket } from "dgram-ffi";
import jsre, { type Dgram } from "dgram-ffi/jsre";
import { register, unregister } from "dgram-ffi/register";

unregister();
register();
const options: BindOptions = { port: 0, address: "127.0.0.1" };
const server: Socket = dgram.createSocket({ type: "udp4", reuseAddr: true });
server.on("message", (message: Buffer, { port, address }: RemoteInfo) => server.send(message, port, address));
server.bind(options, () => {
  const client = createSocket("udp4");
  client.on("message", (message) => {
    const text: string = message.toString();
    console.log(`${text} over ${client.address().family}`);
    client.close();
    server.close();
  });
  client.send("hello", server.address().port, "127.0.0.1");
});
const jsreSocket: Dgram = jsre.createSocket("udp4");
const worked: boolean = jsreSocket.setTTL(1000);
if (worked) throw new Error("not JSRE's convention");
// @ts-expect-error There is no such type of socket.
export const wrong = (): Socket => createSocket("udp5");
