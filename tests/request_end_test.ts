/**
 * How `request()` ends at each of its stages, by its signal, by `close()` or by an error: rejected at once, nothing more is sent, and no
 * listener, no timer and nothing on the signal is left.
 *
 * @module
 */
import { setImmediate as turn } from "node:timers/promises";
import { assert, assertEquals } from "@std/assert";
import type { Socket as EventSocket } from "../mod.ts";
import { createSocket, type RequestOptions, type Socket } from "../promises.ts";
import { injectFaults } from "./support/faulty_libc.ts";
import { type Family, nextEvent, sent, test, testBoth, type Tools } from "./support/harness.ts";
import { type CountedSignal, countedSignal, listenersOf, runningTimers } from "./support/leftovers.ts";
import { until } from "./support/process.ts";
import { runFixture } from "./support/runtime.ts";

type Callback = (error: Error | null, address: string, family: number) => void;

/** What a stage has to work with. */
interface Scene {
  readonly t: Tools;
  readonly family: Family;
  readonly server: EventSocket;
  /** How often the server was asked. */
  readonly asked: () => number;
  /** The look-ups that were asked for. */
  readonly lookups: Callback[];
  readonly client: () => Socket;
  /** The number of timers before. */
  readonly timers: number;
  readonly options: RequestOptions & CountedSignal;
}

async function sceneOf(t: Tools, family: Family): Promise<Scene> {
  const server = await t.bound(family.type);
  let asked = 0;
  server.on("message", () => asked++);
  const lookups: Callback[] = [];
  const lookup = (_: string, __: unknown, callback: Callback): void => void lookups.push(callback);
  const client = (): Socket => {
    const socket = t.track(createSocket({ type: family.type, lookup: lookup as never }));
    socket.socket.bindSync({ address: family.loopback });
    return socket;
  };
  const options = { port: server.address().port, address: family.loopback, timeout: 60_000, ...countedSignal() };
  return { t, family, server, asked: () => asked, lookups, client, options, timers: runningTimers() };
}

/** A request under way: the socket, and what it ends with. */
interface Asking {
  readonly socket: Socket;
  readonly request: Promise<unknown>;
}

/** Starts a request, and waits until it is at a stage. */
type Stage = (scene: Scene) => Promise<Asking> | Asking;

const STAGES: Record<string, Stage> = {
  "while the socket is being bound": ({ t, family, options }) => {
    const socket = t.track(createSocket(family.type));
    return { socket, request: socket.request("x", options) };
  },
  "while its destination is looked up": async ({ client, lookups, options }) => {
    const socket = client();
    const request = socket.request("x", { ...options, address: "name.test" });
    await until(() => lookups.length > 0, "the look-up");
    return { socket, request };
  },
  "while datagrams from before it are dropped": async ({ client, family, server, options }) => {
    const socket = client();
    await sent(server, "old", socket.address().port, family.loopback);
    return { socket, request: socket.request("x", options) };
  },
  "while it waits for the answer": async ({ client, asked, options }) => {
    const socket = client();
    const request = socket.request("x", options);
    await until(() => asked() === 1, "the request");
    return { socket, request };
  },
  "after it was sent three times": async ({ client, asked, options }) => {
    const socket = client();
    const request = socket.request("x", { ...options, timeout: 5, retries: 16 });
    await until(() => asked() >= 3, "retransmissions");
    return { socket, request };
  },
  "while its transmissions wait for room": async ({ t, client, options }) => {
    const faults = injectFaults(t);
    const socket = client();
    faults.fail("sendmmsg", "EAGAIN", Infinity, socket.fd);
    const request = socket.request("x", { ...options, timeout: 2, retries: 20 });
    await until(() => socket.socket.getSendQueueCount() > 2, "transmissions that wait");
    return { socket, request };
  },
};

/** The code of what a promise is rejected with. */
const codeOf = (promise: Promise<unknown>): Promise<unknown> => promise.then(() => "answered", (error) => error.code);

for (const [stage, reach] of Object.entries(STAGES)) {
  testBoth(`its signal ends it ${stage}`, async (t, family) => {
    const scene = await sceneOf(t, family);
    const { timers } = scene;
    const { socket, request } = await reach(scene);
    const code = codeOf(request);
    scene.options.abort();
    assertEquals(await code, "ABORT_ERR");
    const asked = scene.asked();
    // Binding goes on.
    if (socket.fd < 0 || listenersOf(socket) > 0) await nextEvent(socket.socket, "listening");
    assertEquals([listenersOf(socket), scene.options.listeners()], [0, 0]);
    assertEquals([runningTimers(), socket.socket.getSendQueueCount()], [timers, 0]);
    for (const callback of scene.lookups) callback(null, family.loopback, family.version);
    for (let i = 0; i < 10; i++) await turn();
    assertEquals([scene.asked(), listenersOf(socket), runningTimers()], [asked, 0, timers]);
  });

  testBoth(`close() ends it ${stage}`, async (t, family) => {
    const scene = await sceneOf(t, family);
    const { timers } = scene;
    const { socket, request } = await reach(scene);
    const code = codeOf(request);
    await socket.close();
    assertEquals(await code, "ERR_SOCKET_DGRAM_NOT_RUNNING");
    assertEquals([listenersOf(socket), scene.options.listeners()], [0, 0]);
    assertEquals(runningTimers(), timers);
    for (const callback of scene.lookups) callback(null, family.loopback, family.version);
    await turn();
  });

  testBoth(`the socket's error ends it ${stage}, and is nobody else's`, async (t, family) => {
    const scene = await sceneOf(t, family);
    const { timers } = scene;
    const { socket, request } = await reach(scene);
    const code = codeOf(request);
    socket.socket.emit("error", Object.assign(new Error("of a test"), { code: "TEST" }));
    assertEquals(await code, "TEST");
    await turn();
    assertEquals([listenersOf(socket), scene.options.listeners()], [0, 0]);
    assertEquals(runningTimers(), timers);
    for (const callback of scene.lookups) callback(null, family.loopback, family.version);
  });
}

testBoth("a signal that was aborted before leaves the socket as it is", async (t, family) => {
  const { options, asked } = await sceneOf(t, family);
  const socket = t.track(createSocket(family.type));
  options.abort();
  assertEquals(await codeOf(socket.request("x", options)), "ABORT_ERR");
  assertEquals(await codeOf(socket.send("x", options)), "ABORT_ERR");
  assertEquals([socket.fd, asked(), options.listeners(), listenersOf(socket)], [-1, 0, 0, 0]);
});

for (const when of ["before the answer is seen", "while the answer is judged", "after the answer was seen"]) {
  testBoth(`a signal in the turn of the answer, ${when}`, async (t, family) => {
    const { client, server, options, timers } = await sceneOf(t, family);
    const answers: (() => void)[] = [];
    server.on("message", (_, { port, address }) => answers.push(() => server.send("answer", port, address)));
    const socket = client();
    const judge = (): boolean => {
      if (when.startsWith("while")) options.abort();
      return true;
    };
    const abort = (): void => options.abort();
    if (when.startsWith("before")) socket.socket.on("message", abort);
    const asking = socket.request("x", { ...options, match: judge });
    // Another request takes what the first one has not taken.
    const other = when.startsWith("after") ? undefined : socket.request("y", { ...options, signal: undefined });
    await until(() => answers.length === (other ? 2 : 1), "the requests");
    if (when.startsWith("after")) socket.socket.on("message", abort);
    answers[0]();
    assertEquals(await codeOf(asking), when.startsWith("after") ? "answered" : "ABORT_ERR");
    if (other) assertEquals(`${(await other)[0]}`, "answer");
    socket.socket.removeListener("message", abort);
    assertEquals([options.signal.aborted, options.listeners()], [true, 0]);
    assertEquals([listenersOf(socket), runningTimers()], [0, timers]);
  });
}

testBoth("an error that waits beside datagrams from before the request is the request's", async (t, family) => {
  const peer = await t.bound(family.type);
  const socket = t.track(createSocket(family.type));
  await socket.bind(0, family.loopback);
  await socket.connect(peer.address().port, family.loopback);
  await sent(peer, "old", socket.address().port, family.loopback);
  peer.close();
  await nextEvent(peer, "close");
  await socket.send("answered by ICMP");
  const code = await codeOf(socket.request("x", { timeout: 20, retries: 0 }));
  assert(code === "ECONNREFUSED", String(code));
  assertEquals(listenersOf(socket), 0);
});

test("a process whose requests of an hour were answered, ended or failed does not wait for them", async () => {
  const { code, stdout, stderr } = await runFixture("requests");
  assertEquals([code, stdout.trim(), stderr], [
    0,
    "answered ABORT_ERR mine ECONNREFUSED ERR_SOCKET_DGRAM_NOT_RUNNING",
    "",
  ]);
});
