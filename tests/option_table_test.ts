/**
 * The table of socket options, and what the documentation says of them. tests/headers_test.ts and tests/abi_darwin_test.ts compare its
 * numbers with the headers.
 *
 * @module
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { assert, assertEquals } from "@std/assert";
import { DARWIN } from "../ffi/abi/darwin.ts";
import { linuxAbi } from "../ffi/abi/linux.ts";
import { SOCKET_OPTIONS, type SocketOption } from "../ffi/abi/socket_options.ts";
import { knownOf, levelsOf } from "../ffi/wire/sockopt.ts";
import { test } from "./support/harness.ts";
import { projectRoot } from "./support/project.ts";

const OPTIONS = Object.entries<SocketOption>(SOCKET_OPTIONS);

test("every socket option has a number, and a name that says its level", () => {
  const incomplete = OPTIONS.filter(([name, { linux, darwin }]) =>
    (linux ?? darwin) === undefined || levelsOf(name).length === 0
  );
  assertEquals(incomplete, []);
});

test("each system has the options with a number in its column, and no others", () => {
  const column = (system: "linux" | "darwin"): Record<string, number> =>
    Object.fromEntries(OPTIONS.flatMap(([name, { [system]: number }]) => number === undefined ? [] : [[name, number]]));
  assertEquals({ ...linuxAbi("x64").options }, column("linux"));
  assertEquals({ ...DARWIN.options }, column("darwin"));
});

test("what the table says of an option can be read as a version, and as a sentence", () => {
  for (const [name, { since, linux, privilege, privileged, refusal }] of OPTIONS) {
    if (since !== undefined) assert(/^\d+\.\d+(\.\d+)?$/.test(since) && linux !== undefined, name);
    if (privilege !== undefined) assert(/^CAP_/.test(privilege) && refusal === undefined, name);
    assert(privileged === undefined || privilege !== undefined, name);
  }
});

/** What is wrong with the first versions of Linux that a docstring gives for options of the table. */
function wrongVersions(docstring: string): string[] {
  const text = docstring.replace(/\n\s*\* ?/g, " ");
  const names = [...text.matchAll(/\b(?:SO|SCM|IP|IPV6|MCAST|UDP)_[A-Z0-9_]+\b/g)]
    .map(([name]) => name.replace(/^SCM_/, "SO_")).filter((name) => name in SOCKET_OPTIONS);
  const mentions = [
    ...text.matchAll(/(?<=[,;(] ?|before |since )(Linux|for IPv6(?: before)?) (\d+\.\d+(?:\.\d+)?)\b/g),
  ];
  const tellsApart = mentions.some(([, system]) => system !== "Linux");
  return mentions.flatMap(([mention, system, version]) =>
    names.filter((name) => !tellsApart || name.startsWith("IPV6_") === (system !== "Linux")).filter((name) => {
      const { since, privilege } = knownOf(name);
      return since !== version && !privilege?.includes(`Linux ${version}`);
    }).map((name) => `${mention} of ${name}`)
  );
}

test("a docstring with another version of Linux than the table's is found", () => {
  assertEquals(
    wrongVersions("/** Marks (SO_MARK, Linux 2.6.25). Without CAP_NET_RAW (since Linux 5.17) EPERM. */"),
    [],
  );
  assertEquals(wrongVersions("/** (SCM_TXTIME,\n   * Linux 4.18) */"), ["Linux 4.18 of SO_TXTIME"]);
  assertEquals(wrongVersions("/** (UDP_GRO, Linux 5.0; SO_BUSY_POLL) */"), ["Linux 5.0 of SO_BUSY_POLL"]);
  assertEquals(wrongVersions("/** (UDP_GRO, Linux 5.0). Linux 6.18 does it better. */"), []);
  const both = "IP_MULTICAST_ALL, IPV6_MULTICAST_ALL";
  assertEquals(wrongVersions(`/** (${both}). ENOPROTOOPT before Linux 2.6.31, for IPv6 before 4.20. */`), []);
  assertEquals(wrongVersions(`/** (${both}; Linux 2.6.31) */`), ["Linux 2.6.31 of IPV6_MULTICAST_ALL"]);
  assertEquals(wrongVersions(`/** (${both}; Linux 2.6.31, for IPv6 4.19) */`), [
    "for IPv6 4.19 of IPV6_MULTICAST_ALL",
  ]);
});

test("the versions of Linux in docstrings are those of the table", () => {
  const files = ["src", "ffi"].flatMap((folder) =>
    readdirSync(join(projectRoot, folder), { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".ts")).map((name) => join(folder, name))
  );
  const docstrings = files.flatMap((file) =>
    [...readFileSync(join(projectRoot, file), "utf8").matchAll(/\/\*\*[\s\S]*?\*\//g)].map(([text]) => ({ file, text }))
  );
  assert(docstrings.filter(({ text }) => /_[A-Z]+, Linux \d/.test(text)).length >= 10);
  assertEquals(docstrings.flatMap(({ file, text }) => wrongVersions(text).map((wrong) => `${file}: ${wrong}`)), []);
});
