/**
 * What those of Node's tests check that reach into Node's internals, where no other test here does; see
 * tests/conformance/README.md. By the public surface, and by a cluster that is put in the runtime's place.
 *
 * @module
 */
import { createHook, executionAsyncId } from "node:async_hooks";
import dns from "node:dns";
import { errorMonitor } from "node:events";
import process from "node:process";
import { inspect } from "node:util";
import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { currentRuntime } from "../ffi/load.ts";
import type { LookupFunction, Socket } from "../mod.ts";
import type { SystemError } from "../src/errors/node_errors.ts";
import { injectFaults } from "./support/faulty_libc.ts";
import { nextEvent, nextMessage, sent, testBoth, type Tools } from "./support/harness.ts";
import { descriptorAt, kernelOption, openDescriptor } from "./support/kernel.ts";
import { until } from "./support/process.ts";
import { grantedSize } from "./support/runtime.ts";

type Errno = keyof ReturnType<typeof currentRuntime>["libc"]["abi"]["errno"];

interface ClusterHandle {
  readonly sharedFd: number;
  close(): void;
}

type Answer = (errno: number, handle: ClusterHandle | null) => void;

/** Makes this process a cluster worker whose primary answers as told. Returns what the primary is asked. */
function inCluster(t: Tools, answer: (callback: Answer) => void): object[] {
  const cluster = process.getBuiltinModule("node:cluster") as unknown as Record<string, unknown>;
  const { isWorker, _getServer } = cluster;
  t.cleanup(() => void Object.assign(cluster, { isWorker, _getServer }));
  const requests: object[] = [];
  const getServer = (_socket: Socket, request: object, callback: Answer): void => {
    requests.push(request);
    answer(callback);
  };
  Object.assign(cluster, { isWorker: true, _getServer: getServer });
  const { send } = process;
  t.cleanup(() => {
    if (send) process.send = send;
    else delete process.send;
  });
  process.send ??= () => true;
  return requests;
}

function numberOf(name: Errno): number {
  return currentRuntime().libc.abi.errno[name];
}

/** Node: test-dgram-cluster-bind-error */
testBoth("an error of the cluster's primary is the 'error' of bind(), which can be repeated", async (t, family) => {
  const requests = inCluster(t, (callback) => callback(-numberOf("EADDRINUSE"), null));
  const socket = t.socket({ type: family.type, reuseAddr: true });
  const failing = nextEvent(socket, "error");
  socket.bind(4242);
  const [{ message }] = await failing as [Error];
  assertEquals(message, `bind EADDRINUSE ${family.any}:4242`);
  assertEquals(requests, [{ address: family.any, port: 4242, addressType: family.type, fd: -1, flags: 4 }]);
  const listening = nextEvent(socket, "listening");
  socket.bind({ port: 0, exclusive: true });
  await listening;
});

/** Node: test-dgram-bind-socket-close-before-cluster-reply */
testBoth("what the primary opened is given back if the socket was closed meanwhile", async (t, family) => {
  const answers: Answer[] = [];
  inCluster(t, (callback) => answers.push(callback));
  const socket = t.socket(family.type);
  socket.bind(0);
  await until(() => answers.length === 1, "the primary is asked");
  socket.close();
  let given = 0;
  answers[0](0, { sharedFd: -1, close: () => given++ });
  assertEquals(given, 1);
});

/** Node: test-cluster-dgram-1, test-cluster-dgram-2, where the cluster is real. */
testBoth("a socket of the primary's works, until the cluster takes it away", async (t, family) => {
  const peer = await t.bound(family.type);
  const { libc } = currentRuntime();
  const { AF_INET, AF_INET6, SOCK_DGRAM } = libc.abi.constants;
  let closed = 0;
  const given: ClusterHandle[] = [];
  inCluster(t, (callback) => {
    const fd = libc.socket(family.version === 4 ? AF_INET : AF_INET6, SOCK_DGRAM, 0);
    given.push({ sharedFd: fd, close: () => closed += 1 + libc.close(fd) });
    callback(0, given[0]);
  });
  const socket = t.socket(family.type);
  const listening = nextEvent(socket, "listening");
  socket.bind(0);
  await listening;
  const arriving = nextMessage(peer);
  await sent(socket, "x", peer.address().port, family.loopback);
  assertEquals((await arriving).text, "x");
  const answer = nextMessage(socket);
  await sent(peer, "y", socket.address().port, family.loopback);
  assertEquals((await answer).text, "y");
  given[0].close();
  assertEquals(closed, 1);
  assertThrows(() => socket.address(), Error, "getsockname EBADF");
});

/** Deno's cluster shares nothing, and asks for the address whether the socket is open or not. */
testBoth("a socket that is closed in 'listening' is not asked for its address by the cluster", async (t, family) => {
  inCluster(t, (callback) => callback(-numberOf("ENOTSUP"), null));
  const cluster = process.getBuiltinModule("node:cluster") as unknown as {
    _getServer(socket: Socket, request: object, callback: Answer): void;
  };
  const answer = cluster._getServer;
  const heard: unknown[] = [];
  cluster._getServer = (socket, request, callback) => {
    socket.once("listening", () => heard.push(socket.address().address));
    answer(socket, request, callback);
  };
  const [closing, staying] = [t.socket(family.type), t.socket(family.type)];
  await new Promise<void>((resolve) => closing.bind(0, family.loopback, () => closing.close(resolve)));
  await new Promise<void>((resolve) => staying.bind(0, family.loopback, resolve));
  await new Promise((resolve) => setImmediate(resolve));
  assertEquals(heard, [family.loopback]);
});

/** Node: test-cluster-dgram-bind-fd */
testBoth("bind({ fd }) in a cluster worker means a descriptor of the primary's", async (t, family) => {
  const peer = await t.bound(family.type);
  const own = openDescriptor(family);
  let closed = 0;
  const requests = inCluster(t, (callback) => {
    callback(0, { sharedFd: own.fd, close: () => closed += 1 + currentRuntime().libc.close(own.fd) });
  });
  const socket = t.socket(family.type);
  const listening = nextEvent(socket, "listening");
  socket.bind({ fd: 4242 });
  await listening;
  assertEquals(requests, [{ address: null, port: null, addressType: family.type, fd: 4242, flags: null }]);
  assertEquals(socket.address().port, own.port);
  const arriving = nextMessage(socket);
  await sent(peer, "x", own.port, family.loopback);
  assertEquals((await arriving).text, "x");
  socket.close();
  assertEquals(closed, 1);
});

/** Node: test-cluster-dgram-bind-fd */
testBoth("a descriptor that the primary cannot share is the 'error' of bind({ fd })", async (t, family) => {
  inCluster(t, (callback) => callback(-numberOf("EBADF"), null));
  const socket = t.socket(family.type);
  const failing = nextEvent(socket, "error");
  socket.bind({ fd: 4242 });
  const [error] = await failing as [Error & { code: string; syscall: string }];
  assertEquals([error.message, error.code, error.syscall], ["open EBADF", "EBADF", "open"]);
});

/** Node: test-cluster-dgram-bind-fd */
testBoth("bind({ fd, exclusive: true }) in a cluster worker means a descriptor of its own", async (t, family) => {
  const requests = inCluster(t, (callback) => callback(-numberOf("EBADF"), null));
  const own = openDescriptor(family);
  const socket = t.socket(family.type);
  const listening = nextEvent(socket, "listening");
  socket.bind({ fd: own.fd, exclusive: true });
  await listening;
  assertEquals([requests.length, socket.address().port], [0, own.port]);
});

/** Node: test-dgram-implicit-bind-failure */
testBoth("a send() whose implicit bind fails is dropped, and the next one binds anew", async (t, family) => {
  const failure = new Error("no such host");
  const { lookup } = dns;
  t.cleanup(() => void Object.assign(dns, { lookup }));
  const failing = (_name: string, _family: unknown, callback: (error: Error) => void): void => {
    process.nextTick(callback, failure);
  };
  Object.assign(dns, { lookup: failing });
  const socket = t.socket(family.type);
  const heard: string[] = [];
  socket.on(errorMonitor as never as "error", (error) => heard.push(`monitor ${error === failure}`));
  socket.on("error", (error) => heard.push(`listener ${error === failure}`));
  socket.send("dropped", 9, "localhost");
  process.nextTick(() => socket.send("dropped", 9, "localhost"));
  await until(() => heard.length >= 2, "the first bind fails");
  socket.send("dropped", 9, "localhost");
  await until(() => heard.length >= 6, "all fail");
  assertEquals(heard, Array.from({ length: 3 }, () => ["monitor true", "listener true"]).flat());
  assertEquals(socket.getSendQueueCount(), 0);
});

/** Node: test-dgram-socket-buffer-size */
testBoth("the error of a buffer size is a SystemError to the reader", (t, family) => {
  const error = assertThrows(() => t.socket(family.type).getSendBufferSize(), Error) as Error & {
    info: { errno: number };
    errno: number;
  };
  assertEquals(inspect(error).split("\n")[0].replace(/:.*/, ""), "SystemError [ERR_SOCKET_BUFFER_SIZE]");
  error.errno = -1;
  assertEquals([error.info.errno, error.name], [-1, "SystemError"]);
});

/** Node: test-dgram-send-error */
testBoth("an error of sending tells the call, its code, the address and the port", async (t, family) => {
  const faults = injectFaults(t);
  const socket = await t.bound(family.type);
  const { port } = socket.address();
  faults.fail("sendmmsg", "EPERM");
  const error = await assertRejects(() => sent(socket, "x", port, family.loopback), Error) as SystemError;
  assertEquals([error.syscall, error.code, error.address, error.port], ["send", "EPERM", family.loopback, port]);
  assertEquals([error.message, error.errno], [`send EPERM ${family.loopback}:${port}`, -numberOf("EPERM")]);
});

/** Node: test-dgram-bind-fd */
testBoth("a taken over descriptor gets the buffer sizes of the options", async (t, family) => {
  const { fd, port } = openDescriptor(family);
  const socket = t.socket({ type: family.type, recvBufferSize: 4096, sendBufferSize: 4608 });
  const listening = nextEvent(socket, "listening");
  socket.bind({ fd });
  await listening;
  assertEquals([kernelOption(port, "SO_RCVBUF"), kernelOption(port, "SO_SNDBUF")], [
    grantedSize(4096),
    grantedSize(4608),
  ]);
});

/** Node: test-dgram-bind-fd-error */
testBoth("the descriptor of another socket is EEXIST, and that one goes on", async (t, family) => {
  const first = await t.bound(family.type);
  const { port } = first.address();
  const second = t.socket(family.type);
  const error = assertThrows(() => second.bind({ fd: descriptorAt(port) }), Error) as SystemError;
  assertEquals([error.message, error.code], ["open EEXIST", "EEXIST"]);
  const arriving = nextMessage(first);
  await sent(second, "x", port, family.loopback);
  assertEquals((await arriving).text, "x");
});

testBoth("so is that of a socket that is paused, which receives again once it is resumed", async (t, family) => {
  const first = await t.bound(family.type);
  const { port } = first.address();
  first.pause();
  const second = t.socket(family.type);
  const error = assertThrows(() => second.bind({ fd: descriptorAt(port) }), Error) as SystemError;
  assertEquals([error.message, error.code], ["open EEXIST", "EEXIST"]);
  await sent(second, "x", port, family.loopback);
  const arriving = nextMessage(first);
  first.resume();
  assertEquals((await arriving).text, "x");
});

/** Node: test-dgram-recv-error */
testBoth("an error of receiving is an 'error' of recvmsg, and no message comes", async (t, family) => {
  const faults = injectFaults(t);
  const socket = await t.bound(family.type);
  const heard: string[] = [];
  socket.on("message", () => heard.push("message"));
  const failing = nextEvent(socket, "error");
  faults.fail("recvmmsg", "EIO");
  socket.send("x", socket.address().port, family.loopback);
  const [error] = await failing as [SystemError];
  socket.close();
  assertEquals([String(error), error.syscall, heard.length], ["Error: recvmsg EIO", "recvmsg", 0]);
});

/** Node: test-dgram-close-during-bind */
testBoth("a socket that is closed during bind()'s lookup is not bound by its answer", async (t, family) => {
  const faults = injectFaults(t);
  let answer: (() => void) | undefined;
  const lookup: LookupFunction = (_name, version, callback) => {
    answer = () => callback(null, family.loopback, version);
  };
  const socket = t.socket({ type: family.type, lookup });
  const heard: string[] = [];
  socket.bind(0, "somewhere.test", () => heard.push("listening"));
  await until(() => answer !== undefined, "the name is looked up");
  socket.close(() => heard.push("close"));
  await until(() => heard.length > 0, "the socket is closed");
  answer!();
  await new Promise((resolve) => setImmediate(resolve));
  assertEquals([heard, faults.callsOf("bind").length], [["close"], 0]);
});

interface Resource {
  readonly id: number;
  readonly type: string;
  readonly happened: string[];
}

/** What async_hooks tells of the resources of one type. */
function resourcesOf(t: Tools, type: string): Resource[] {
  const resources: Resource[] = [];
  const note = (what: string) => (id: number): void =>
    void resources.find((resource) => resource.id === id)?.happened.push(what);
  const init = (id: number, kind: string): void => {
    if (kind === type) resources.push({ id, type: kind, happened: [] });
  };
  const hook = createHook({ init, before: note("before"), after: note("after"), destroy: note("destroy") });
  hook.enable();
  t.cleanup(() => hook.disable());
  return resources;
}

const NO_HOOKS = process.versions.bun || process.versions.deno ? "this runtime's async_hooks tells nothing" : undefined;

/** Node: async-hooks/test-udpwrap */
testBoth("a socket is a UDPWRAP to async_hooks, until it is closed", async (t, family) => {
  const resources = resourcesOf(t, "UDPWRAP");
  const socket = t.socket(family.type);
  assertEquals(resources.map(({ happened }) => happened), [[]]);
  socket.close();
  // At once, not when it is collected as garbage.
  await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
  assertEquals(resources.map(({ happened }) => happened), [["destroy"]]);
}, { skip: NO_HOOKS });

/** Node: async-hooks/test-udpsendwrap; a message that leaves at once is none in Node either. */
testBoth(
  "a message that waits for room is a UDPSENDWRAP to async_hooks, which its callback runs in",
  async (t, family) => {
    const faults = injectFaults(t);
    const socket = await t.bound(family.type);
    const resources = resourcesOf(t, "UDPSENDWRAP");
    const full = faults.fail("sendmmsg", "EAGAIN", Infinity);
    const called = new Promise<unknown>((resolve) => {
      socket.send("x", socket.address().port, family.loopback, () => resolve(executionAsyncId()));
    });
    await until(() => resources.length === 1, "the message waits");
    faults.repair(full);
    const inside = await called;
    await until(() => resources[0].happened.includes("after"), "the callback has returned");
    assertEquals([resources[0].id, ...resources[0].happened], [inside, "before", "after"]);
  },
  { skip: NO_HOOKS },
);
