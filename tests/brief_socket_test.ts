/**
 * Sockets that do not live long: what they ask of the kernel.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { injectFaults } from "./support/faulty_libc.ts";
import { nextMessage, sent, testBoth } from "./support/harness.ts";

const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

testBoth("a socket that sends and is closed costs socket, bind, sendmmsg and close", async (t, family) => {
  const sink = await t.bound(family.type);
  const { port } = sink.address();
  await turn();
  const { calls } = injectFaults(t);
  for (let i = 0; i < 3; i++) {
    const socket = t.socket(family.type);
    await sent(socket, "x", port, family.loopback);
    await new Promise<void>((resolve) => socket.close(resolve));
  }
  const each = ["socket", "bind", "sendmmsg", "close"];
  assertEquals(calls.map(({ name }) => name), [...each, ...each, ...each]);
});

testBoth("a socket that is bound and closed costs socket, bind and close", (t, family) => {
  const { calls } = injectFaults(t);
  const socket = t.socket(family.type);
  socket.bindSync({ address: family.loopback });
  socket.close();
  // address() is what bindSync() returns.
  assertEquals(calls.map(({ name }) => name), ["socket", "bind", "getsockname", "close"]);
});

testBoth("the set stays for the next socket, whose watching takes two calls", async (t, family) => {
  const faults = injectFaults(t);
  const exchange = async (): Promise<void> => {
    const socket = t.socket(family.type);
    const { port } = socket.bindSync({ address: family.loopback });
    const arriving = nextMessage(socket);
    await sent(socket, "x", port, family.loopback);
    await arriving;
    const fd = faults.lastSocket();
    await new Promise<void>((resolve) => socket.close(resolve));
    const ctl = faults.callsOf("epoll_ctl").filter(({ args }) => args[2] === fd);
    assertEquals(ctl.length, 2);
    faults.calls.length = 0;
  };
  await exchange();
  const socket = t.socket(family.type);
  socket.bindSync({ address: family.loopback });
  socket.close();
  await exchange();
  assertEquals(faults.callsOf("epoll_create1").length, 0);
});

testBoth("sockets that are opened, send and close without a turn of the event loop are flat", async (t, family) => {
  const sink = await t.bound(family.type);
  const { port } = sink.address();
  await turn();
  const { calls } = injectFaults(t);
  let [open, most] = [0, 0];
  for (let i = 0; i < 100; i++) {
    const socket = t.socket(family.type);
    await sent(socket, "x", port, family.loopback);
    await new Promise<void>((resolve) => socket.close(resolve));
  }
  for (const { name } of calls) {
    if (["socket", "epoll_create1", "eventfd"].includes(name)) open++;
    if (name === "close") open--;
    most = Math.max(most, open);
  }
  assertEquals([open, most], [0, 1]);
});
