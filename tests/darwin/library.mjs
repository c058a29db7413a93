/**
 * Builds the C library that shows Darwin's ABI over Linux (see darwin.h) from the C files of this folder. The numbers and structs of Darwin
 * are made from headers.json.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Types of the headers, in terms of any C compiler. `struct in6_addr` is a union of arrays, as wide as its widest member. */
const TYPES = {
  __uint8_t: "uint8_t",
  __uint32_t: "uint32_t",
  __int64_t: "int64_t",
  sa_family_t: "uint8_t",
  in_port_t: "uint16_t",
  in_addr_t: "uint32_t",
  socklen_t: "uint32_t",
  __darwin_time_t: "int64_t",
  __darwin_suseconds_t: "int32_t",
};

const SPECIAL = `struct d_in6_addr { uint32_t words[4]; };
enum { _SS_PAD1SIZE = 6, _SS_PAD2SIZE = 112 };
`;

/** The table of headers.json. */
export function appleHeaders(folder) {
  return JSON.parse(readFileSync(join(folder, "headers.json"), "utf8"));
}

/** The table as C: numbers as `D_` and their name, structs as `d_` and theirs. */
export function darwinHeader(folder) {
  const { numbers, structs } = appleHeaders(folder);
  const defines = Object.entries(numbers).map(([name, [value]]) => `#define D_${name} (${value})\n`);
  const order = ["in_addr", "sockaddr_in6", "sockaddr_storage"];
  const names = [...order, ...Object.keys(structs).filter((name) => !order.includes(name))];
  const text = names.map((name) => structOf(name, structs[name]));
  return `#include <stddef.h>\n#include <stdint.h>\n${defines.join("")}${SPECIAL}${text.join("")}`;
}

function structOf(name, { fields, pack }) {
  const typeOf = (type) => TYPES[type] ?? type.replace(/struct (\w+)/, "struct d_$1");
  const lines = fields.map(([field, type, array = ""]) => `  ${typeOf(type)} ${field}${array};\n`).join("");
  const declaration = `struct d_${name} {\n${lines}};\n`;
  return pack ? `#pragma pack(${pack})\n${declaration}#pragma pack()\n` : declaration;
}

/** Builds the library into `target`. @returns What the compiler complained of; empty if nothing. */
export function buildDarwinLibrary(folder, target) {
  mkdirSync(target, { recursive: true });
  writeFileSync(join(target, "apple.h"), darwinHeader(folder));
  const sources = readdirSync(folder).filter((name) => name.endsWith(".c")).map((name) => join(folder, name));
  const flags = [
    "-O1",
    "-std=gnu11",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-fPIC",
    "-shared",
    "-fvisibility=hidden",
    "-Wl,-Bsymbolic",
    // As libSystem on a Mac, it stays loaded when it is closed.
    "-Wl,-z,nodelete",
  ];
  const built = spawnSync("gcc", [
    ...flags,
    `-I${target}`,
    "-o",
    join(target, "libSystem.B.dylib"),
    ...sources,
    "-lpthread",
  ], {
    encoding: "utf8",
  });
  return built.status === 0 ? "" : built.error?.message ?? built.stderr;
}
