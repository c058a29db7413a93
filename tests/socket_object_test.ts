/**
 * A socket as an object: what it is to a Proxy, to what inherits from it, to ES5 classes, and to who counts the process's resources.
 *
 * @module
 */
import { EventEmitter } from "node:events";
import process from "node:process";
import { inherits, inspect } from "node:util";
import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { MessageBatch, type Socket, type SocketType, UnixSocket } from "../mod.ts";
import { nextEvent, nextMessage, nextMessages, sent, test, type Tools } from "./support/harness.ts";
import { type CreateSocket, testAlike } from "./support/reference.ts";
import { linuxOnly, runtime } from "./support/runtime.ts";

/** Binds, sends to a receiver, is answered, and closes: all by way of the given object. */
async function exchange(t: Tools, socket: Socket): Promise<void> {
  const receiver = await t.bound("udp4");
  const listening = nextEvent(socket, "listening");
  socket.bind(0, "127.0.0.1");
  await listening;
  const arriving = nextMessage(receiver);
  await sent(socket, "there", receiver.address().port, "127.0.0.1");
  assertEquals((await arriving).remote.port, socket.address().port);
  const answer = nextMessage(socket);
  await sent(receiver, "back", socket.address().port, "127.0.0.1");
  assertEquals((await answer).text, "back");
  socket.setTTL(7);
  socket.connectSync(receiver.address().port, "127.0.0.1");
  assertEquals(socket.remoteAddress().port, receiver.address().port);
  const closing = nextEvent(socket, "close");
  socket.close();
  await closing;
}

testAlike("a Proxy of a socket is used as the socket", (t, create) => exchange(t, new Proxy(create("udp4"), {})));

test("a Proxy of a batch, and what inherits from one, are used as the batch", async (t) => {
  const receiver = await t.bound("udp4");
  const relay = await t.bound("udp4");
  const [first, second] = await Promise.all([
    nextMessages(receiver, 2),
    new Promise<string[][]>((resolve) => {
      relay.once("messages", (batch: MessageBatch) => {
        const forms = [new Proxy(batch, {}), Object.create(batch) as MessageBatch];
        resolve(forms.map((form) => [`${form.view(0)}`, `${form.copy(0)}`, `${form.length}`, `${form.totalSize}`]));
        for (const form of forms) relay.sendMany(form, receiver.address().port, "127.0.0.1");
        assertEquals(inspect(batch), inspect(new MessageBatch()));
      });
      relay.send("ab", relay.address().port, "127.0.0.1");
    }),
  ]);
  assertEquals(first.map(({ text }) => text), ["ab", "ab"]);
  assertEquals(second, [["97,98", "ab", "1", "2"], ["97,98", "ab", "1", "2"]]);
});

testAlike("an object that inherits from a socket is used as the socket", async (t, create) => {
  const socket = create("udp4");
  // An EventEmitter without listeners gets a new table, and what inherits from it a table of its own.
  socket.on("error", () => {});
  await exchange(t, Object.create(socket));
  assertThrows(() => socket.bind(), Error, "Not running");
});

/** The class of what a function makes. */
function classOf(create: CreateSocket): typeof Socket {
  const socket = create("udp4");
  socket.close();
  return socket.constructor as typeof Socket;
}

testAlike("an ES5 class inherits by Socket.call(this) and util.inherits()", async (t, create) => {
  const Parent = classOf(create);
  function Child(this: Socket & { own: number }, type: SocketType) {
    (Parent as unknown as (this: Socket, type: SocketType) => void).call(this, type);
    this.own = 1;
  }
  inherits(Child, Parent);
  const child = new (Child as unknown as new (type: SocketType) => Socket & { own: number })("udp4");
  assert(child instanceof Parent && child instanceof EventEmitter);
  assertEquals([child.type, child.own, child.constructor as unknown], ["udp4", 1, Child]);
  await exchange(t, child);
});

testAlike("a class extends Socket, and overrides what it wants", async (t, create) => {
  const calls: string[] = [];
  class Child extends classOf(create) {
    override close(callback?: () => void): this {
      calls.push("close");
      return super.close(callback);
    }
  }
  const child = new Child("udp4");
  assert(child instanceof Child && child instanceof classOf(create));
  await exchange(t, child);
  assertEquals(calls, ["close"]);
});

testAlike("Socket is a function with the name, the length and the static members that Node's has", (_t, create) => {
  const Class = classOf(create);
  assertEquals([Class.name, Class.length, Object.getOwnPropertyNames(Class)], ["Socket", 2, [
    "length",
    "name",
    "prototype",
  ]]);
  assertStrictEquals(Class.prototype.constructor, Class);
  assertStrictEquals((Class as unknown as typeof EventEmitter).once, EventEmitter.once);
  const made = new Class({ type: "udp6" });
  made.close();
  assertEquals(made.type, "udp6");
});

testAlike("a socket's enumerable keys are those of an EventEmitter and its type", (t, create) => {
  const socket = t.track(create("udp4"));
  assertEquals(Object.keys(socket), [...Object.keys(new EventEmitter()), "type"]);
  const descriptor = Object.getOwnPropertyDescriptor(socket, "type");
  assertEquals(descriptor, { value: "udp4", writable: true, enumerable: true, configurable: true });
});

testAlike("a setter for `type` in the prototype is called", (t, create) => {
  const { prototype } = classOf(create);
  const types: unknown[] = [];
  t.cleanup(() => Reflect.deleteProperty(prototype, "type"));
  Object.defineProperty(prototype, "type", { configurable: true, set: (type) => types.push(type) });
  create("udp4").close();
  create({ type: "udp6" }).close();
  assertEquals(types, ["udp4", "udp6"]);
});

testAlike("a setter for `type` in the prototype that throws keeps sockets from being made", (t, create) => {
  const { prototype } = classOf(create);
  t.cleanup(() => Reflect.deleteProperty(prototype, "type"));
  Object.defineProperty(prototype, "type", {
    configurable: true,
    set() {
      throw new Error("no UDP here");
    },
  });
  assertThrows(() => create("udp4"), Error, "no UDP here");
});

test("a Proxy of a Unix socket, and what inherits from one, are used as the socket", async (t) => {
  for (const wrap of [(socket: UnixSocket) => new Proxy(socket, {}), (socket: UnixSocket) => Object.create(socket)]) {
    const [one, other] = [new UnixSocket("unix_dgram"), new UnixSocket("unix_dgram")].map((socket) =>
      wrap(t.track(socket)) as UnixSocket
    );
    one.bindSync();
    other.connectSync(one.address().path);
    const arriving = new Promise((resolve) => one.once("message", resolve));
    other.send("by way of it");
    assertEquals(String(await arriving), "by way of it");
    other.close();
    one.close();
  }
}, { skip: linuxOnly("paths that the system chooses") });

const LISTS = runtime === "node" || runtime === "koffi" ? undefined : "this runtime's list has no sockets";

testAlike("process.getActiveResourcesInfo() lists open sockets, but for those that are unreferenced", (t, create) => {
  if (LISTS) {
    assertEquals(process.getActiveResourcesInfo().includes("UDPWrap"), false);
    return;
  }
  const count = (): number => process.getActiveResourcesInfo().filter((name) => name === "UDPWrap").length;
  const before = count();
  const [one, other] = [t.track(create("udp4")), t.track(create("udp4"))];
  assertEquals(count() - before, 2);
  other.bindSync();
  assertEquals(count() - before, 2);
  one.unref();
  one.unref();
  assertEquals(count() - before, 1);
  one.ref();
  one.ref();
  assertEquals(count() - before, 2);
});

test("a closed socket is not listed by process.getActiveResourcesInfo()", (t) => {
  const count = (): number => process.getActiveResourcesInfo().filter((name) => name === "UDPWrap").length;
  const before = count();
  const sockets = [t.socket("udp4"), t.socket("udp4")];
  sockets[0].unref();
  for (const socket of sockets) socket.close();
  assertEquals(count(), before);
});
