/**
 * `request()`: the right answer or a clear error, under loss, duplicates, reordering and floods; nothing is left behind.
 *
 * @module
 */
import { setImmediate as turn, setTimeout as delay } from "node:timers/promises";
import { assert, assertEquals } from "@std/assert";
import type { RemoteInfo, Socket as EventSocket } from "../mod.ts";
import { createSocket, type RequestOptions, type Socket } from "../promises.ts";
import { injectFaults } from "./support/faulty_libc.ts";
import { closedPort, type Family, test, testBoth, type Tools } from "./support/harness.ts";
import { listenersOf } from "./support/leftovers.ts";
import { until } from "./support/process.ts";
import { linuxOnly } from "./support/runtime.ts";

interface Server {
  readonly socket: EventSocket;
  readonly port: number;
  /** What it was asked. */
  readonly asked: string[];
}

type Answer = (socket: EventSocket, text: string, remote: RemoteInfo, count: number) => void;

/** A server that answers as `answer` does; `count` is how often it was asked. */
async function serverOf(t: Tools, family: Family, answer: Answer): Promise<Server> {
  const socket = await t.bound(family.type);
  const asked: string[] = [];
  socket.on("message", (message, remote) => {
    asked.push(message.toString());
    answer(socket, message.toString(), remote, asked.length);
  });
  return { socket, port: socket.address().port, asked };
}

const echo: Answer = (socket, text, { port, address }) => socket.send(`re: ${text}`, port, address);

function client(t: Tools, family: Family): Socket {
  return t.track(createSocket(family.type));
}

async function textOf(answer: Promise<[Uint8Array, RemoteInfo]>): Promise<string> {
  return new TextDecoder().decode((await answer)[0]);
}

/** What a request is rejected with. */
async function errorOf(answer: Promise<unknown>): Promise<Error & { code?: string; address?: string; port?: number }> {
  return await answer.then(() => {
    throw new Error("it was answered");
  }, (error) => error);
}

testBoth("the answer is that of the asked address and port", async (t, family) => {
  const server = await serverOf(t, family, echo);
  const socket = client(t, family);
  const [message, remote] = await socket.request("hello", { port: server.port, address: family.loopback });
  assertEquals([message.toString(), remote.port, remote.address], ["re: hello", server.port, family.loopback]);
  assertEquals([server.asked, listenersOf(socket)], [["hello"], 0]);
  assertEquals(await textOf(socket.request(["by ", "default"], { port: server.port })), "re: by default");
});

testBoth("what others send is no answer, unless any source will do", async (t, family) => {
  const other = await t.bound(family.type);
  const server = await serverOf(t, family, (socket, text, remote) => {
    other.send("forged", remote.port, remote.address, () => {
      if (text === "both") socket.send("true", remote.port, remote.address);
    });
  });
  const socket = client(t, family);
  const options: RequestOptions = { port: server.port, address: family.loopback };
  assertEquals(await textOf(socket.request("both", options)), "true");
  assertEquals(await textOf(socket.request("other", { ...options, anySource: true })), "forged");
});

testBoth("lost requests and lost answers are made up for", async (t, family) => {
  const server = await serverOf(t, family, (socket, text, remote, count) => {
    if (count === 4) echo(socket, text, remote, count);
  });
  const socket = client(t, family);
  assertEquals(await textOf(socket.request("x", { port: server.port, timeout: 20, retries: 8 })), "re: x");
  assertEquals(server.asked.slice(0, 4), ["x", "x", "x", "x"]);
});

testBoth("without an answer it is rejected with ETIMEDOUT, which says how long", async (t, family) => {
  const server = await serverOf(t, family, () => {});
  const socket = client(t, family);
  const error = await errorOf(
    socket.request("x", { port: server.port, address: family.loopback, timeout: 5, retries: 2 }),
  );
  assertEquals([error.code, error.address, error.port], ["ETIMEDOUT", family.loopback, server.port]);
  assert(error.message.endsWith(": no answer to 3 transmissions in 35 ms"), error.message);
  assertEquals([server.asked.length, listenersOf(socket)], [3, 0]);
});

testBoth("answers that come in another order, and twice, go to whom they belong", async (t, family) => {
  const waiting: (() => void)[] = [];
  const server = await serverOf(t, family, (socket, text, remote) => {
    waiting.push(() => echo(socket, text, remote, 0), () => echo(socket, text, remote, 0));
    if (waiting.length < 20) return;
    for (const answer of waiting.reverse()) answer();
  });
  const socket = client(t, family);
  const ids = Array.from({ length: 10 }, (_, i) => `${i}`);
  const answers = await Promise.all(ids.map((id) => {
    const match = (message: Uint8Array): boolean => new TextDecoder().decode(message) === `re: ${id}`;
    return textOf(socket.request(id, { port: server.port, address: family.loopback, match, timeout: 5000 }));
  }));
  assertEquals(answers, ids.map((id) => `re: ${id}`));
  assertEquals(listenersOf(socket), 0);
});

testBoth("a late answer to an earlier request is not the next one's", async (t, family) => {
  let late = (): void => {};
  const server = await serverOf(t, family, (socket, text, remote, count) => {
    if (count > 1) return echo(socket, text, remote, count);
    late = () => socket.send("late", remote.port, remote.address);
  });
  const socket = client(t, family);
  const options: RequestOptions = { port: server.port, address: family.loopback };
  await errorOf(socket.request("first", { ...options, timeout: 5, retries: 0 }));
  await until(() => server.asked.length === 1, "the request");
  late();
  await until(() => socket.socket.getNextDatagramSize() > 0, "the late answer");
  assertEquals(await textOf(socket.request("second", options)), "re: second");
});

testBoth("in a flood of other datagrams the answer is found", async (t, family) => {
  const other = await t.bound(family.type);
  const server = await serverOf(t, family, (socket, text, remote) => {
    for (let i = 0; i < 500; i++) other.send("noise", remote.port, remote.address);
    other.send("noise", remote.port, remote.address, () => echo(socket, text, remote, 0));
  });
  const socket = client(t, family);
  socket.socket.bindSync();
  socket.socket.setRecvBufferSize(1 << 20);
  const seen: string[] = [];
  const match = (message: Uint8Array): boolean => seen.push(new TextDecoder().decode(message)) > 0;
  assertEquals(await textOf(socket.request("x", { port: server.port, address: family.loopback, match })), "re: x");
  assertEquals(seen, ["re: x"]);
  await delay(10);
  assertEquals(listenersOf(socket), 0);
});

testBoth("a port at which nobody listens is ECONNREFUSED at once, without a peer too", async (t, family) => {
  const port = await closedPort(t, family);
  const socket = client(t, family);
  const error = await errorOf(socket.request("x", { port, address: family.loopback, timeout: 20_000 }));
  assertEquals([error.code, error.address, error.port], ["ECONNREFUSED", family.loopback, port]);
  assertEquals(error.message, `request ECONNREFUSED ${family.loopback}:${port}`);
  assertEquals((error.cause as { code?: string }).code, "ECONNREFUSED");
  // Another destination has nothing to do with it.
  const server = await serverOf(t, family, echo);
  assertEquals(await textOf(socket.request("y", { port: server.port, address: family.loopback })), "re: y");
  assertEquals(listenersOf(socket), 0);
}, { skip: linuxOnly("IP_RECVERR") });

testBoth("a connected socket asks its peer, and hears if that is gone", async (t, family) => {
  const server = await serverOf(t, family, echo);
  const socket = client(t, family);
  await socket.connect(server.port, family.loopback);
  assertEquals(await textOf(socket.request("peer")), "re: peer");
  const gone = client(t, family);
  await gone.connect(await closedPort(t, family), family.loopback);
  assertEquals((await errorOf(gone.request("x", { timeout: 50, retries: 1 }))).code, "ECONNREFUSED");
  assertEquals(listenersOf(gone), 0);
});

testBoth("aborting rejects it, and it is sent no more", async (t, family) => {
  const server = await serverOf(t, family, () => {});
  const socket = client(t, family);
  const stop = new AbortController();
  const asking = errorOf(socket.request("x", { port: server.port, timeout: 20_000, signal: stop.signal }));
  await until(() => server.asked.length === 1, "the request");
  stop.abort();
  assertEquals((await asking).code, "ABORT_ERR");
  assertEquals([server.asked.length, listenersOf(socket)], [1, 0]);
  const aborted = await errorOf(socket.request("x", { port: server.port, signal: AbortSignal.abort() }));
  assertEquals([aborted.code, server.asked.length], ["ABORT_ERR", 1]);
});

testBoth("closing rejects those that wait, and what waits for room does not leave", async (t, family) => {
  const faults = injectFaults(t);
  const socket = client(t, family);
  await socket.bind(0, family.loopback);
  const full = faults.fail("sendmmsg", "EAGAIN", Infinity, socket.fd);
  const stop = new AbortController();
  const options: RequestOptions = { port: 9, address: family.loopback, timeout: 2, retries: 5 };
  const stopped = errorOf(socket.request("x", { ...options, signal: stop.signal }));
  await until(() => socket.socket.getSendQueueCount() > 2, "retransmissions that wait");
  stop.abort();
  assertEquals([(await stopped).code, socket.socket.getSendQueueCount()], ["ABORT_ERR", 0]);
  faults.repair(full);
  const asking = errorOf(socket.request("x", { ...options, timeout: 20_000 }));
  await turn();
  await turn();
  await socket.close();
  const { code } = await asking;
  assert(code === "ERR_SOCKET_DGRAM_NOT_RUNNING" || code === "ECONNREFUSED", code);
  assertEquals(listenersOf(socket), 0);
});

testBoth("what match throws is the request's error", async (t, family) => {
  const server = await serverOf(t, family, echo);
  const socket = client(t, family);
  const match = (): boolean => {
    throw new Error("mine");
  };
  assertEquals((await errorOf(socket.request("x", { port: server.port, match }))).message, "mine");
  assertEquals(listenersOf(socket), 0);
});

testBoth("a host name is looked up, and the answer is that of its address", async (t, family) => {
  const server = await serverOf(t, family, echo);
  const names: string[] = [];
  const lookup = (name: string, _: unknown, callback: (error: null, address: string, family: number) => void): void => {
    names.push(name);
    callback(null, family.loopback, family.version);
  };
  const socket = t.track(createSocket({ type: family.type, lookup }));
  socket.socket.bindSync();
  assertEquals(await textOf(socket.request("x", { port: server.port, address: "name.test" })), "re: x");
  assertEquals(names, ["name.test"]);
});

test("an address in another spelling, and the unspecified one, are the same", async (t) => {
  const family = { type: "udp6", version: 6, name: "IPv6", loopback: "::1", any: "::" } as const;
  const server = await serverOf(t, family, echo);
  const socket = client(t, family);
  for (const address of ["0:0:0:0:0:0:0:1", "::"]) {
    assertEquals(await textOf(socket.request("x", { port: server.port, address })), "re: x");
  }
});

test("options are checked", async (t) => {
  const socket = client(t, { type: "udp4" } as Family);
  const codes = [];
  for (
    const options of [
      { timeout: 0 },
      { timeout: "1" },
      { retries: -1 },
      { match: 1 },
      { anySource: 1 },
      { port: 0 },
      {
        address: "127.0.0.1",
      },
      {},
      { signal: {} },
      { port: 1, ttl: 256 },
    ]
  ) codes.push((await errorOf(socket.request("x", options as never))).code);
  assertEquals(codes, [
    "ERR_OUT_OF_RANGE",
    "ERR_INVALID_ARG_TYPE",
    "ERR_OUT_OF_RANGE",
    "ERR_INVALID_ARG_TYPE",
    "ERR_INVALID_ARG_TYPE",
    "ERR_SOCKET_BAD_PORT",
    "ERR_SOCKET_BAD_PORT",
    "ERR_SOCKET_DGRAM_NOT_CONNECTED",
    "ERR_INVALID_ARG_TYPE",
    "ERR_OUT_OF_RANGE",
  ]);
  assertEquals(listenersOf(socket), 0);
});

test("a thousand requests leave no listener, timer or descriptor", async (t) => {
  const family = { type: "udp4", version: 4, name: "IPv4", loopback: "127.0.0.1", any: "0.0.0.0" } as const;
  const server = await serverOf(t, family, (socket, text, remote) => {
    if (Number(text) % 10 > 0) echo(socket, text, remote, 0);
  });
  const socket = client(t, family);
  const results = { answered: 0, timedOut: 0, aborted: 0 };
  for (let round = 0; round < 20; round++) {
    await Promise.all(Array.from({ length: 50 }, async (_, i) => {
      const id = `${round * 50 + i}`;
      const signal = i % 10 === 5 ? AbortSignal.abort() : undefined;
      const match = (message: Uint8Array): boolean => new TextDecoder().decode(message) === `re: ${id}`;
      // A busy machine takes its time; what is never answered is not waited for as long.
      const timeout = i % 10 === 0 ? 5 : 2000;
      try {
        await socket.request(id, { port: server.port, address: family.loopback, match, signal, timeout, retries: 0 });
        results.answered++;
      } catch (error) {
        if ((error as { code?: string }).code === "ABORT_ERR") results.aborted++;
        else results.timedOut++;
      }
    }));
  }
  assertEquals([results, listenersOf(socket)], [{ answered: 800, timedOut: 100, aborted: 100 }, 0]);
});
