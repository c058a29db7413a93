/**
 * A WebRTC data channel between two peers: ICE, DTLS and SCTP. Each message is answered.
 *
 * @module
 */
import { RTCPeerConnection } from "werift";
import { asking, type Dgram, type Figures, LOOPBACK, measure, messagesOf, type Options } from "../../support.ts";

/** Only the loopback address, and no server. */
const LOCAL = {
  iceServers: [],
  iceUseIpv6: false,
  iceInterfaceAddresses: { udp4: LOOPBACK },
  iceAdditionalHostAddresses: [LOOPBACK],
};

export default async function werift(_: Dgram, options: Options): Promise<Figures> {
  const [caller, callee] = [new RTCPeerConnection(LOCAL), new RTCPeerConnection(LOCAL)];
  const channel = caller.createDataChannel("measured");
  callee.onDataChannel.subscribe((other) => other.onMessage.subscribe((message) => other.send(message)));
  await caller.setLocalDescription(await caller.createOffer());
  await callee.setRemoteDescription(caller.localDescription!);
  await callee.setLocalDescription(await callee.createAnswer());
  await caller.setRemoteDescription(callee.localDescription!);
  if (channel.readyState !== "open") await channel.stateChanged.watch((state) => state === "open");
  const [message] = messagesOf(options.sizes);
  const waiting: (() => void)[] = [];
  channel.onMessage.subscribe(() => waiting.shift()?.());
  const answered = asking(options.wave, () =>
    new Promise((resolve) => {
      waiting.push(() => resolve(1));
      channel.send(Buffer.from(message));
    }));
  return await measure(options, answered);
}
