/**
 * What a lock of the runtime leaves in errno between a call and the reading of it.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { linuxAbi } from "../ffi/abi/linux.ts";
import { NativeLibc } from "../ffi/libc/native_libc.ts";
import { test } from "./support/harness.ts";
import { ScriptedBinding } from "./support/scripted_binding.ts";

const ABI = linuxAbi("x64");
const { EPERM, EAGAIN, EINTR, ETIMEDOUT } = ABI.errno;

/** A C library whose functions fail with these errnos, in turn, as they are read; and how often one was called. */
function failing(name: "setsockopt" | "sendmsg" | "close", errnos: readonly number[]) {
  let calls = 0;
  const binding: ScriptedBinding = new ScriptedBinding({ [name]: () => binding.fail(errnos[calls++]!) });
  const libc = new NativeLibc(ABI, binding);
  return { libc, at: libc.pointer(libc.allocate(64)), calls: () => calls };
}

for (const [name, errno] of Object.entries({ EAGAIN, EINTR, ETIMEDOUT })) {
  test(`a call that cannot fail with ${name} is repeated, as something else has set errno`, () => {
    const { libc, at, calls } = failing("setsockopt", [errno, EPERM]);
    assertEquals(libc.setsockopt(3, 1, 2, at, 4), -EPERM);
    assertEquals(calls(), 2);
  });
}

test("a call that always fails so is not repeated for ever", () => {
  const { libc, at, calls } = failing("setsockopt", [EAGAIN, EAGAIN, EAGAIN, EPERM]);
  assertEquals(libc.setsockopt(3, 1, 2, at, 4), -EAGAIN);
  assertEquals(calls(), 3);
});

test("a call that can fail with EAGAIN is made once, and so is close(2)", () => {
  const sending = failing("sendmsg", [EAGAIN]);
  assertEquals(sending.libc.sendmsg(3, sending.at, 0), -EAGAIN);
  const closing = failing("close", [EINTR]);
  assertEquals(closing.libc.close(3), -EINTR);
  assertEquals([sending.calls(), closing.calls()], [1, 1]);
});
