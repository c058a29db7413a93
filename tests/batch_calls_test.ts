/**
 * sendmmsg(2) and recvmmsg(2) that are missing, or refused by a seccomp filter: the single calls do.
 *
 * @module
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { linuxAbi } from "../ffi/abi/linux.ts";
import { NativeLibc } from "../ffi/libc/native_libc.ts";
import { compileAndRun, noCompiler } from "./support/compiler.ts";
import { test } from "./support/harness.ts";
import { commandFor, fixture } from "./support/runtime.ts";
import { ScriptedBinding, type ScriptedPointer } from "./support/scripted_binding.ts";

const LINUX_ABI = linuxAbi("x64");
const { EPERM, ENOSYS, EAGAIN } = LINUX_ABI.errno;

/** A program that has the two system calls fail, and goes on as the command. */
function underFilter(errno: string, command: readonly string[]): string {
  const words = command.map((word) => JSON.stringify(word)).join(", ");
  return `
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
int main(void) {
  struct sock_filter filter[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_sendmmsg, 1, 0),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_recvmmsg, 0, 1),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ${errno}),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog program = { sizeof filter / sizeof *filter, filter };
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) return perror("seccomp"), 1;
  if (syscall(__NR_sendmmsg, -1, 0, 0, 0) != -1 || errno != ${errno}) return puts("not refused"), 1;
  char *words[] = { ${words}, 0 };
  execv(words[0], words);
  return perror("execv"), 1;
}
`;
}

for (const errno of ["EPERM", "ENOSYS"]) {
  test(`messages are sent and received under a seccomp filter that answers the batch calls with ${errno}`, () => {
    const { errors, stdout } = compileAndRun(underFilter(errno, commandFor(fixture("exchange"))));
    assertEquals(errors, "");
    assertEquals(stdout.trim(), JSON.stringify({ isWhole: true, count: 200, called: 200, failures: [] }));
  }, { skip: noCompiler });
}

/** What the single calls answer with, in turn, and what was called. */
function scripted(batchErrno: number, emptyErrno: number, answers: number[]) {
  const calls: string[] = [];
  const binding: ScriptedBinding = new ScriptedBinding({
    sendmmsg: (_fd: number, _at: ScriptedPointer, vlen: number) => batch("sendmmsg", vlen),
    recvmmsg: (_fd: number, _at: ScriptedPointer, vlen: number) => batch("recvmmsg", vlen),
    sendmsg: (_fd: number, at: ScriptedPointer) => single("sendmsg", at),
    recvmsg: (_fd: number, at: ScriptedPointer) => single("recvmsg", at),
  });
  const batch = (name: string, vlen: number): number => {
    calls.push(`${name} ${vlen}`);
    const errno = vlen > 0 ? batchErrno : emptyErrno;
    return errno ? binding.fail(errno) : vlen;
  };
  const single = (name: string, { offset }: ScriptedPointer): number => {
    calls.push(`${name} at ${offset / LINUX_ABI.layouts.mmsghdr.size}`);
    const answer = answers.shift() ?? -EAGAIN;
    return answer < 0 ? binding.fail(-answer) : answer;
  };
  const libc = new NativeLibc(LINUX_ABI, binding);
  const headers = libc.allocate(8 * LINUX_ABI.layouts.mmsghdr.size);
  const lengths = (count: number): number[] =>
    Array.from({ length: count }, (_, i) => {
      const { size, msg_len } = LINUX_ABI.layouts.mmsghdr;
      return headers.view.getUint32(i * size + msg_len, true);
    });
  return { libc, calls, at: libc.pointer(headers), lengths };
}

for (const name of ["sendmmsg", "recvmmsg"] as const) {
  const single = name === "sendmmsg" ? "sendmsg" : "recvmsg";

  for (const [errno, what] of [[ENOSYS, "missing"], [EPERM, "refused"]] as const) {
    test(`${name} that is ${what} is a loop of ${single} from then on`, () => {
      const { libc, calls, at, lengths } = scripted(errno, errno, [11, 22, -EAGAIN, 33]);
      assertEquals(libc[name](3, at, 4, 0), 2);
      assertEquals(lengths(2), [11, 22]);
      const asks = errno === EPERM ? [`${name} 4`, `${name} 0`] : [`${name} 4`];
      assertEquals(calls, [...asks, `${single} at 0`, `${single} at 1`, `${single} at 2`]);
      calls.length = 0;
      assertEquals(libc[name](3, at, 1, 0), 1);
      assertEquals(libc[name](3, at, 1, 0), -EAGAIN);
      assertEquals(calls, [`${single} at 0`, `${single} at 0`]);
    });
  }

  test(`EPERM of ${name} is the message's where the call is allowed`, () => {
    const { libc, calls, at } = scripted(EPERM, 0, []);
    assertEquals(libc[name](3, at, 2, 0), -EPERM);
    assertEquals(libc[name](3, at, 2, 0), -EPERM);
    assert(calls.every((call) => call.startsWith(name)), String(calls));
  });
}

for (const arch of ["x64", "arm64"] as const) {
  test(`where the C library is not glibc, messages go by the kernel's own calls (${arch})`, () => {
    const abi = linuxAbi(arch);
    const calls: unknown[][] = [];
    const binding = new ScriptedBinding({
      gnu_get_libc_version: undefined as never,
      syscall: (number, fd, at: ScriptedPointer, ...rest) => {
        calls.push([number, fd, at.offset, ...rest]);
        return calls.length;
      },
    });
    const libc = new NativeLibc(abi, binding);
    const at = libc.pointer(libc.allocate(4 * abi.layouts.mmsghdr.size), abi.layouts.mmsghdr.size);
    assertEquals([libc.sendmsg(3, at, 64), libc.sendmmsg(4, at, 2, 64), libc.recvmmsg(5, at, 3, 0)], [1, 2, 3]);
    const [sendmsg, sendmmsg, recvmmsg] = arch === "x64" ? [46, 307, 299] : [211, 269, 243];
    const { size } = abi.layouts.mmsghdr;
    assertEquals(calls, [
      [sendmsg, 3, size, 64, 0, null],
      [sendmmsg, 4, size, 2, 64, null],
      [recvmmsg, 5, size, 3, 0, null],
    ]);
    assertThrows(() => libc.sendmmsg(4, at, 4, 64), RangeError, "would touch");
  });
}

test("a loop takes the place of batch calls that the kernel refuses also without glibc", () => {
  const calls: unknown[][] = [];
  const { SYS_sendmsg, SYS_sendmmsg } = LINUX_ABI.linux!;
  const binding: ScriptedBinding = new ScriptedBinding({
    gnu_get_libc_version: undefined as never,
    syscall: (number, _fd, { offset }: ScriptedPointer) => {
      calls.push([number, offset]);
      return number === SYS_sendmmsg ? binding.fail(ENOSYS) : 7;
    },
  });
  const libc = new NativeLibc(LINUX_ABI, binding);
  const { size } = LINUX_ABI.layouts.mmsghdr;
  assertEquals(libc.sendmmsg(3, libc.pointer(libc.allocate(2 * size)), 2, 0), 2);
  assertEquals(calls, [[SYS_sendmmsg, 0], [SYS_sendmsg, 0], [SYS_sendmsg, size]]);
});
