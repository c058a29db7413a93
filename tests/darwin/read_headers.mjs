/**
 * Makes headers.json, the table of what Apple's headers say of the names that this module uses: numbers and struct fields, each with file
 * and line. Only to be run again for newer headers:
 *
 *     node tests/darwin/read_headers.mjs <folder of xnu> <folder of Libc> > tests/darwin/headers.json
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { DARWIN } from "../../ffi/abi/darwin.ts";

const [xnu, libc] = process.argv.slice(2);

const HEADERS = [
  ...["sys/socket.h", "sys/socket_private.h", "sys/un.h", "sys/event.h", "sys/errno.h", "sys/fcntl.h", "sys/poll.h"],
  ...["sys/_types/_iovec_t.h", "sys/_types/_timespec.h", "sys/_types/_timeval.h", "net/if.h", "netinet/in.h"],
  ...["netinet6/in6.h", "kern/uipc_usrreq.c"],
].map((name) => [xnu, `bsd/${name}`]).concat([[libc, "include/_time.h"]]);

const STRUCTS = [
  ...[
    "sockaddr",
    "sockaddr_in",
    "sockaddr_in6",
    "sockaddr_un",
    "sockaddr_storage",
    "iovec",
    "msghdr",
    "msghdr_x",
    "cmsghdr",
  ],
  ...["in_addr", "in_pktinfo", "in6_pktinfo", "timespec", "timeval", "pollfd", "ip_mreq", "ip_mreqn", "ip_mreq_source"],
  ...["ipv6_mreq", "group_req", "group_source_req", "ip6_mtuinfo", "kevent"],
];

/** Names that only the C library of tests/darwin uses. */
const MORE = ["EV_EOF", "SOCK_STREAM", "MSG_PEEK", "IPV6_2292PKTINFO"];

const numbersOf = (table) =>
  Object.entries(table).filter(([, value]) => typeof value === "number").map(([name]) => name);
const wanted = new Set([
  ...[DARWIN.constants, DARWIN.darwin, DARWIN.levels, DARWIN.options, DARWIN.errno].flatMap(numbersOf),
  ...MORE,
]);

const defined = new Map();
const structs = {};
for (const [folder, path] of HEADERS) {
  const text = readFileSync(join(folder, path), "utf8");
  readNumbers(path, text);
  readStructs(path, text);
}

/** `#define NAME value`, and members of enumerations with a value. What only RFC 2292 and old Unix have is passed over. */
function readNumbers(path, text) {
  const conditions = [];
  for (const [i, line] of text.split("\n").entries()) {
    const condition = /^\s*#\s*(ifdef|ifndef|if|else|elif|endif)\b\s*(.*)/.exec(line);
    if (condition) {
      if (condition[1].startsWith("if")) conditions.push(condition[2]);
      else if (condition[1] === "endif") conditions.pop();
    }
    if (conditions.some((text) => /^(__APPLE_USE_RFC_2292|!__DARWIN_UNIX03)/.test(text))) continue;
    const found = /^\s*#\s*define\s+(\w+)\s+(\(?[-\w]+\)?)/.exec(line) ??
      /^\s*(_CLOCK_\w+)\b[^=#]*=\s*(\d+),/.exec(line);
    if (found && !defined.has(found[1])) defined.set(found[1], { value: found[2], at: `${path}:${i + 1}` });
  }
}

/** The fields of structs, and what they are packed to. */
function readStructs(path, text) {
  const lines = text.replace(/\/\*[\s\S]*?\*\//g, (comment) => comment.replace(/[^\n]/g, "")).split("\n");
  let pack;
  for (let i = 0; i < lines.length; i++) {
    const pragma = /^#pragma pack\((\d*)\)/.exec(lines[i]);
    if (pragma) pack = pragma[1] ? Number(pragma[1]) : undefined;
    const name =
      /^(?:struct|_STRUCT_\w+|_STRUCT_TIME\w+)\s*(\w+)?.*\{|^struct (\w+)$/.exec(lines[i])?.slice(1).find(Boolean) ??
        /^_STRUCT_(TIMESPEC|TIMEVAL)$/.exec(lines[i])?.[1].toLowerCase();
    if (!name || !STRUCTS.includes(name) || structs[name]) continue;
    const at = `${path}:${i + 1}`;
    const body = [];
    if (!lines[i].includes("{")) i++;
    for (i++; !lines[i].includes("}"); i++) body.push(lines[i]);
    const fields = body.join(" ").split(";").map((field) => field.trim()).filter(Boolean).map((field) => {
      const [, type, asterisk, fieldName, array] = /^(.*?)\s*(\*?)\s*(\w+)\s*(\[.*\])?$/.exec(
        field.replace(/__\w+_by\(\w+\)/, "").replace(/\bstruct\s+/, "struct "),
      );
      return [fieldName, `${type.trim()}${asterisk ? " *" : ""}`, ...(array ? [array] : [])];
    });
    structs[name] = { at, ...(pack ? { pack } : {}), fields };
  }
}

/** The number behind a name; undefined if there is none. */
function valueOf(name) {
  const text = defined.get(name)?.value.replace(/[()]/g, "");
  if (text === undefined) return undefined;
  return /^-?(0x[\da-fA-F]+|\d+)$/.test(text) ? Number(text) : valueOf(text);
}

const numbers = Object.fromEntries(
  [...wanted].sort().flatMap((name) =>
    valueOf(name) === undefined ? [] : [[name, [valueOf(name), defined.get(name).at]]]
  ),
);
const lines = (table) =>
  Object.entries(table).map(([name, entry]) => `    ${JSON.stringify(name)}: ${JSON.stringify(entry)}`).join(",\n");
console.log(`{\n  "numbers": {\n${lines(numbers)}\n  },\n  "structs": {\n${lines(structs)}\n  }\n}`);
console.error("without a number:", [...wanted].filter((name) => !(name in numbers)).join(" "));
console.error("without fields:", STRUCTS.filter((name) => !(name in structs)).join(" "));
