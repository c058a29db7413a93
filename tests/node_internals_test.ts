/**
 * What those of Node's tests check that reach into Node's internals, where no other test here does; see
 * tests/conformance/README.md. By the public surface, and by a cluster that is put in the runtime's place.
 *
 * @module
 */
import dns from "node:dns";
import { errorMonitor } from "node:events";
import process from "node:process";
import { inspect } from "node:util";
import { assertEquals, assertThrows } from "@std/assert";
import { currentRuntime } from "../ffi/load.ts";
import type { Socket } from "../mod.ts";
import { nextEvent, nextMessage, sent, testBoth, type Tools } from "./support/harness.ts";
import { openDescriptor } from "./support/kernel.ts";
import { until } from "./support/process.ts";

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
  t.cleanup(() => void (process.send = send));
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
