/**
 * The ABI tables beside the machine's own headers: a C program made from our data says what the compiler sees.
 *
 * @module
 */
import { existsSync } from "node:fs";
import process from "node:process";
import { getSystemErrorMap } from "node:util";
import { assert, assertEquals, assertMatch } from "@std/assert";
import type { Abi, LinuxConstants } from "../ffi/abi/abi.ts";
import { linuxAbi } from "../ffi/abi/linux.ts";
import { UV_POLL, UV_READABLE } from "../ffi/abi/uv.ts";
import { errnoName } from "../ffi/libc/errno.ts";
import {
  COMMON_PROTOTYPES,
  type CType,
  DARWIN_PROTOTYPES,
  LINUX_PROTOTYPES,
  POLL_PROTOTYPE,
  type Prototype,
  prototypesOf,
} from "../ffi/libc/prototypes.ts";
import { REALM_PROTOTYPES } from "../ffi/libc/realm_owner.ts";
import { THREAD_EXIT_PROTOTYPES } from "../ffi/libc/thread_exit.ts";
import { BUN_LOOP_PROTOTYPES } from "../ffi/poll/bun_loop.ts";
import { compileAndRun, compileOnly, hasCompiler, noCompiler } from "./support/compiler.ts";
import { test } from "./support/harness.ts";

const skip = noCompiler ?? (process.platform === "linux" ? undefined : "the headers compared with are those of Linux");

const INCLUDES = [
  "sys/types.h",
  "sys/socket.h",
  "sys/uio.h",
  "sys/un.h",
  "netinet/in.h",
  "netinet/udp.h",
  "net/if.h",
  "fcntl.h",
  "poll.h",
  "unistd.h",
  "sys/epoll.h",
  "sys/eventfd.h",
  "time.h",
  "linux/errqueue.h",
  "linux/net_tstamp.h",
  "sys/time.h",
  "linux/sockios.h",
  "linux/sock_diag.h",
  "linux/filter.h",
  "linux/rtnetlink.h",
  "linux/netfilter_ipv4/ip_tables.h",
  "sys/ioctl.h",
  "sys/syscall.h",
  "errno.h",
  "stddef.h",
  "stdio.h",
];

const PREAMBLE = `#define _GNU_SOURCE\n${INCLUDES.map((name) => `#include <${name}>\n`).join("")}`;

/** Options that the C library's header may not have yet. */
const NEWEST = [
  ...["IP_LOCAL_PORT_RANGE", "IP_PROTOCOL", "SO_RCVMARK", "SO_TXREHASH", "SO_RESERVE_MEM", "SO_BUF_LOCK"],
  ...["SO_PASSPIDFD", "SO_PEERPIDFD", "SO_DEVMEM_DONTNEED", "SO_RCVPRIORITY", "SO_PASSRIGHTS"],
];

/** These limits stand in no header for programs, but in the kernel's own <linux/udp.h> and <net/scm.h>. */
const INTERNAL = ["UDP_MAX_SEGMENTS", "UDP_MAX_SEGMENTS_AT_FIRST", "SCM_MAX_FD"];

/** The numbers that C gives for some expressions. */
function evaluate(expressions: readonly string[]): Record<string, number> {
  const prints = expressions.map((expression) => `printf("%lld\\n", (long long)(${expression}));`);
  const { errors, stdout } = compileAndRun(`${PREAMBLE}int main(void) {\n${prints.join("\n")}\n}\n`);
  assertEquals(errors, "");
  const numbers = stdout.trim().split("\n").map(Number);
  return Object.fromEntries(expressions.map((expression, i) => [expression, numbers[i]]));
}

/** Every size and offset of the tables, by the C expression for it. */
function layoutExpressions({ layouts, linux }: Abi): Record<string, number> {
  const { sockaddr, ...structs } = { ...layouts, ...layoutsOf(linux!) };
  const expressions: Record<string, number> = {
    "offsetof(struct sockaddr, sa_family)": sockaddr.sa_family,
    "sizeof(((struct sockaddr *)0)->sa_family)": sockaddr.sizeof_sa_family,
  };
  for (const [struct, fields] of Object.entries(structs)) {
    for (const [field, value] of Object.entries(fields)) {
      expressions[layoutExpression(struct, field)] = value;
    }
  }
  return expressions;
}

/** The structs among what only Linux has. */
function layoutsOf({ options: _, ...linux }: LinuxConstants): Record<string, Record<string, number>> {
  return Object.fromEntries(
    Object.entries<unknown>(linux).filter((entry): entry is [string, Record<string, number>] =>
      typeof entry[1] === "object"
    ),
  );
}

/** The numbers among it. */
function numbersOf(linux: LinuxConstants): Record<string, number> {
  return Object.fromEntries(Object.entries(linux).filter(([, value]) => typeof value === "number"));
}

function layoutExpression(struct: string, field: string): string {
  if (field === "size") return `sizeof(struct ${struct})`;
  return field === "align" ? "CMSG_ALIGN(1)" : `offsetof(struct ${struct}, ${field})`;
}

/** The machine's own ABI. */
const abi = (): Abi => linuxAbi(process.arch as "x64" | "arm64");

test("every constant is the header's", () => {
  const linux = Object.fromEntries(
    Object.entries(numbersOf(abi().linux!)).filter(([name]) => !INTERNAL.includes(name)),
  );
  const ours = { ...abi().constants, ...linux };
  assertEquals(ours, evaluate(Object.keys(ours)));
}, { skip });

test("every socket option and level has the header's number", () => {
  const { options, levels } = abi();
  const ours = { ...options, ...levels };
  // An older header lacks what newer kernels have.
  const lines = Object.keys(ours).map((name) => `#ifdef ${name}\nprintf("${name} %d\\n", (int)${name});\n#endif\n`);
  const { errors, stdout } = compileAndRun(`${PREAMBLE}int main(void) {\n${lines.join("")}}\n`);
  assertEquals(errors, "");
  const theirs = Object.fromEntries(stdout.trim().split("\n").map((line) => line.split(" ")));
  const differing = Object.entries(ours).filter(([name, number]) => name in theirs && Number(theirs[name]) !== number);
  assertEquals(differing, []);
  const lacking = Object.keys(ours).filter((name) => !(name in theirs));
  assert(lacking.every((name) => NEWEST.includes(name)), lacking.join(" "));
}, { skip });

test("every errno number is the header's", () => {
  const ours = abi().errno;
  assertEquals(ours, evaluate(Object.keys(ours)));
}, { skip });

test("every struct size and field offset is the header's", () => {
  const ours = layoutExpressions(abi());
  assertEquals(ours, evaluate(Object.keys(ours)));
}, { skip });

/** C libraries and architectures beside this machine's own. Nothing is run: the compilers check what they are given. */
const OTHERS: readonly (readonly [what: string, compiler: string, arch: "x64" | "arm64", flags: readonly string[]])[] =
  [
    // musl's wrapper knows musl's headers only; the kernel's own are the same for every C library.
    ["musl", "musl-gcc", "x64", ["-idirafter", "/usr/include", "-idirafter", "/usr/include/x86_64-linux-gnu"]],
    ["arm64", "aarch64-linux-gnu-gcc", "arm64", []],
  ];

for (const [what, compiler, arch, flags] of OTHERS) {
  test(`constants, errno numbers, sizes and offsets are those of the headers for ${what}`, () => {
    const { constants, errno, linux, ...rest } = linuxAbi(arch);
    const numbers = {
      ...constants,
      ...errno,
      ...numbersOf(linux!),
      ...layoutExpressions({ ...linuxAbi(arch), ...rest }),
    };
    const expected = Object.entries(numbers).filter(([name]) => !INTERNAL.includes(name));
    assertEquals(compileOnly(PREAMBLE + checks(expected), flags, compiler), "");
    const [name, number] = expected[0];
    assertMatch(compileOnly(PREAMBLE + checks([[name, number + 1]]), flags, compiler), /static assertion failed/);
  }, { skip: hasCompiler(compiler) ? undefined : `there is no ${compiler}` });
}

/** What a compiler is to check. */
function checks(expected: readonly (readonly [string, number])[]): string {
  return expected.map(([expression, value]) =>
    `_Static_assert((long long)(${expression}) == ${value}LL, "${expression}");\n`
  ).join("");
}

test("sockaddr has no length byte before its family", () => {
  assertEquals(abi().layouts.sockaddr.sa_len, -1);
  const source = `${PREAMBLE}int main(void) { struct sockaddr a; return a.sa_len; }`;
  assertMatch(compileAndRun(source).errors, /no member named .*sa_len/);
}, { skip });

test("epoll_event is packed on x64 and aligned on arm64", () => {
  const fields = "{ uint32_t events; uint64_t data; }";
  const sizes = `struct packed ${fields} __attribute__((packed)); struct aligned ${fields};`;
  const expression = (struct: string): string => `sizeof(struct ${struct}), offsetof(struct ${struct}, data)`;
  const source = `#include <stdint.h>\n${PREAMBLE}${sizes}
int main(void) { printf("%zu %zu %zu %zu", ${expression("packed")}, ${expression("aligned")}); }`;
  const { errors, stdout } = compileAndRun(source);
  assertEquals(errors, "");
  const { x64, arm64 } = { x64: linuxAbi("x64").linux!.epoll_event, arm64: linuxAbi("arm64").linux!.epoll_event };
  assertEquals([x64.size, x64.data, arm64.size, arm64.data], stdout.split(" ").map(Number));
}, { skip });

test("the header agrees with the declaration of each function", () => {
  for (const [name, { declaration }] of Object.entries({ ...prototypesOf("linux"), poll: POLL_PROTOTYPE })) {
    const source = `${PREAMBLE}#include <gnu/libc-version.h>\n${declaration};\nint main(void) { return 0; }`;
    assertEquals(compileAndRun(source).errors, "", name);
  }
}, { skip });

test("the thread's end finds a FILE's descriptor where the header has it, and the functions are the header's", () => {
  const { fileno } = abi().threadExit.FILE;
  assertEquals(evaluate(["offsetof(FILE, _fileno)"])["offsetof(FILE, _fileno)"], fileno);
  for (
    const { declaration } of Object.values({ ...THREAD_EXIT_PROTOTYPES, ...REALM_PROTOTYPES, ...BUN_LOOP_PROTOTYPES })
  ) {
    const source =
      `${PREAMBLE}#include <stdlib.h>\n#include <dlfcn.h>\n#include <libintl.h>\n${declaration};\nint main(void) { return 0; }`;
    assertEquals(compileAndRun(source).errors, "", declaration);
  }
}, { skip });

test("the compiler refuses a declaration that is not the header's", () => {
  const wrong = COMMON_PROTOTYPES.socket.declaration.replace("int type", "long type");
  const source = `${PREAMBLE}${wrong};\nint main(void) { return 0; }`;
  assertMatch(compileAndRun(source).errors, /conflicting types/);
}, { skip });

/** The type in the table's terms of a parameter (or, without name, a result) as C declares it. */
function typeOf(declared: string): CType {
  if (declared.includes("*")) return "pointer";
  if (declared === "clockid_t") return "int";
  return declared === "nfds_t" ? "unsigned long" : declared as CType;
}

/** A declaration taken to pieces. */
function parse(declaration: string): { name: string; result: CType; parameters: (readonly [CType, string])[] } {
  const [, result, name, list] = /^(.*?[ *])(\w+)\((.*)\)$/.exec(declaration)!;
  const parameters = list === "void" ? [] : list.split(", ").filter((text) => text !== "...").map((text) => {
    const [, type, parameter, array] = /^(.*[ *])(\w+)(\[\d+\])?$/.exec(text)!;
    return [array ? "pointer" : typeOf(type.trim()), parameter] as const;
  });
  return { name, result: typeOf(result.trim()), parameters };
}

test("the types of each function are those of its declaration", () => {
  const tables = { COMMON_PROTOTYPES, LINUX_PROTOTYPES, DARWIN_PROTOTYPES, others: { poll: POLL_PROTOTYPE } };
  for (const [table, prototypes] of Object.entries(tables)) {
    for (const [name, prototype] of Object.entries<Prototype>(prototypes)) {
      const declared = parse(prototype.declaration);
      assertEquals([declared.name, declared.result], [name, prototype.result], table);
      // What the three dots stand for is not in the declaration.
      const named = prototype.parameters.slice(0, declared.parameters.length);
      assertEquals(named.map(([type, name]) => [type, name]), declared.parameters.map((p) => [...p]), name);
      const rest = prototype.parameters.length - named.length;
      assertEquals(rest > 0, prototype.declaration.includes("..."), name);
    }
  }
});

test("the table's types have the size and sign that the bindings give them", () => {
  const types = {
    "int": -4,
    "unsigned int": 4,
    "long": -8,
    "unsigned long": 8,
    "socklen_t": 4,
    "size_t": 8,
    "ssize_t": -8,
  };
  const signed = (type: string): string => `((${type})-1 < 0 ? -1 : 1) * (int)sizeof(${type})`;
  const aliases = { nfds_t: 8, clockid_t: -4 };
  const found = evaluate([...Object.keys(types), ...Object.keys(aliases)].map(signed));
  for (const [type, size] of Object.entries({ ...types, ...aliases })) assertEquals(found[signed(type)], size, type);
  assertEquals(evaluate(["sizeof(void *)"])["sizeof(void *)"], 8);
}, { skip });

test("errno numbers have the names that Node gives them", () => {
  for (const [number, [name]] of getSystemErrorMap()) {
    // Above are libuv's own numbers, for failures without an errno.
    if (-number < 1000) assertEquals(errnoName(abi(), -number), name, String(number));
  }
  assertEquals(errnoName(abi(), 999), "Unknown system error -999");
}, { skip });

const uvHeaders = ["/usr/include/node", "/usr/local/include/node", "/usr/include"].find((folder) =>
  existsSync(`${folder}/uv.h`)
);

test("libuv's constants are those of uv.h", () => {
  const source = `#include <stdio.h>\n#include <uv.h>\nint main(void) { printf("%d %d", UV_POLL, UV_READABLE); }`;
  const { errors, stdout } = compileAndRun(source, [`-I${uvHeaders}`]);
  assertEquals(errors, "");
  assert(stdout);
  assertEquals(stdout.split(" ").map(Number), [UV_POLL, UV_READABLE]);
}, { skip: noCompiler ?? (uvHeaders ? undefined : "there is no uv.h") });
