/**
 * Answers whoever asks a multicast group who is there. Prints the group's port.
 *
 * @module
 */
import process from "node:process";
import { createSocket } from "../mod.ts";
import { GROUP, INTERFACE } from "./discovery.ts";

const socket = createSocket({ type: "udp4", reuseAddr: true });
socket.on("message", (message, remote) => {
  if (message.toString() === "who is there?") socket.send(`process ${process.pid}`, remote.port, remote.address);
});
socket.bind(0, () => {
  socket.addMembership(GROUP, INTERFACE);
  console.log(socket.address().port);
});
