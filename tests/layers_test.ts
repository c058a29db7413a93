/**
 * The rules of the house, read off the sources: who imports whom, who names a runtime, where the headers' numbers
 * stand.
 *
 * @module
 */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { assert, assertEquals } from "@std/assert";
import { test } from "./support/harness.ts";
import { projectRoot } from "./support/project.ts";

interface Source {
  /** From the project's folder. */
  readonly path: string;
  readonly text: string;
  /** Without comments. */
  readonly code: string;
  /** What it imports, as it is written. */
  readonly imports: readonly string[];
}

const LITERAL_OR_COMMENT = /("(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`)|\/\/.*|\/\*[\s\S]*?\*\//g;

function withoutComments(text: string): string {
  return text.replace(LITERAL_OR_COMMENT, (_, literal?: string) => literal ?? "");
}

function read(path: string): Source {
  const text = readFileSync(join(projectRoot, path), "utf8");
  const code = withoutComments(text);
  const imports = [...code.matchAll(/^(?:import|export) (?:[^"';=]*? ?from )?"([^"]+)";$/gm)].map(([, name]) => name);
  return { path, text, code, imports };
}

const all = readdirSync(projectRoot, { withFileTypes: true }).filter((entry) => entry.isFile()).map(({ name }) => name);
const below = (folder: string): string[] =>
  readdirSync(join(projectRoot, folder), { recursive: true, encoding: "utf8" }).map((name) => join(folder, name));

/** Everything that is published. */
const SOURCES = [...all, ...below("src"), ...below("ffi")].filter((name) => name.endsWith(".ts")).sort().map(read);

const within = (folder: string): Source[] => SOURCES.filter(({ path }) => path.startsWith(`${folder}/`));

/** The path of what a source imports; undefined for what is not a file of ours. */
const target = ({ path }: Source, name: string): string | undefined =>
  name.startsWith(".") ? normalize(join(dirname(path), name)) : undefined;

test("the sources are found and their comments told from their code", () => {
  assert(within("ffi").length > 20 && within("src").length > 10 && SOURCES.some(({ path }) => path === "mod.ts"));
  const sample =
    'const a = "// kept"; // gone\n/* gone\n gone */ const b = `/* kept */`; const c = \'it"s\'; // "gone"';
  assertEquals(withoutComments(sample), 'const a = "// kept"; \n const b = `/* kept */`; const c = \'it"s\'; ');
});

test("every import is a file of ours or a built-in module: there are no dependencies at run time", () => {
  for (const source of SOURCES) {
    for (const name of source.imports) {
      if (name.startsWith("node:")) continue;
      const path = target(source, name);
      assert(SOURCES.some((other) => other.path === path), `${source.path} imports ${name}`);
    }
    assertEquals(/\bimport\s*\(/.test(source.code), false, `${source.path} imports dynamically`);
  }
  const { dependencies } = JSON.parse(readFileSync(join(projectRoot, "package.json"), "utf8"));
  assertEquals(dependencies, undefined);
});

test("src/ imports ffi/, never the other way round", () => {
  const outside = (folder: string, allowed: RegExp): string[] =>
    within(folder).flatMap((source) =>
      source.imports.flatMap((name) => target(source, name) ?? []).filter((path) => !allowed.test(path))
        .map((path) => `${source.path} imports ${path}`)
    );
  assertEquals(outside("ffi", /^ffi\//), []);
  assertEquals(outside("src", /^(src|ffi)\//), []);
});

/** The folders that each folder may import, as the README beside them says. */
function allowedImports(parent: string): Map<string, readonly string[]> {
  const readme = readFileSync(join(projectRoot, parent, "README.md"), "utf8");
  const names = (cell: string): string[] => [...cell.matchAll(/`(\w+)\/?`/g)].map(([, name]) => name);
  const rows = [...readme.matchAll(/^\| (`\w+\/`) +\|.*\|(.*)\|$/gm)];
  return new Map(rows.map(([, folder, cell]) => [names(folder)[0], names(cell)]));
}

for (const parent of ["src", "ffi"]) {
  test(`the folders of ${parent}/ import each other as its README says, types included`, () => {
    const allowed = allowedImports(parent);
    const folderOf = (path: string): string | undefined => path.match(`^${parent}/(\\w+)/`)?.[1];
    const folders = readdirSync(join(projectRoot, parent), { withFileTypes: true }).filter((entry) =>
      entry.isDirectory()
    );
    assertEquals([...allowed.keys()].sort(), folders.map(({ name }) => name).sort());
    const wrong = within(parent).flatMap((source) => {
      const from = folderOf(source.path);
      if (from === undefined) return [];
      return source.imports.flatMap((name) => target(source, name) ?? []).filter((path) => {
        const to = folderOf(path);
        const isFront = to === undefined && path.startsWith(`${parent}/`);
        return isFront || (to !== undefined && to !== from && !allowed.get(from)!.includes(to));
      }).map((path) => `${source.path} imports ${path}`);
    });
    assertEquals(wrong, []);
  });
}

test("src/ knows no pointer and no native memory", () => {
  const users = within("src").filter((source) =>
    source.imports.some((name) => /\/(memory|binding|native_libc)\.ts$/.test(name))
  );
  assertEquals(users.map(({ path }) => path), []);
});

/** Types that name each other: a socket's messages bring descriptors, which can be opened as sockets. */
const RECURSIVE_TYPES = new Set(["src/unix/received_descriptors.ts imports src/unix/socket.ts"]);

test("no modules import each other in a circle, not even types", () => {
  const edges = new Map(SOURCES.map((source) => [
    source.path,
    source.imports.flatMap((name) => target(source, name) ?? [])
      .filter((path) => !RECURSIVE_TYPES.has(`${source.path} imports ${path}`)),
  ]));
  const done = new Set<string>();
  const visit = (path: string, way: readonly string[]): void => {
    assert(!way.includes(path), [...way, path].join(" -> "));
    if (done.has(path)) return;
    for (const next of edges.get(path) ?? []) visit(next, [...way, path]);
    done.add(path);
  };
  for (const path of edges.keys()) visit(path, []);
});

/** Where runtimes may be named. registration.ts steps into a runtime's module system. */
const RUNTIME_FILES = /^ffi\/((load|runtime|support)\.ts|runtimes\/|poll\/)|^registration\.ts$/;

test("only the runtimes' own files name a runtime", () => {
  const named = SOURCES.filter(({ path, code }) =>
    !RUNTIME_FILES.test(path) && /\b(Deno|Bun|koffi|bun:ffi|node:ffi|versions\.(bun|deno))\b/.test(code)
  );
  assertEquals(named.map(({ path }) => path), []);
  const own = { deno: "Deno", bun: "bun:ffi", node: "node:ffi", koffi: "koffi" };
  for (const [file, name] of Object.entries(own)) assert(read(`ffi/runtimes/${file}.ts`).code.includes(name), file);
});

test("a runtime's FFI module is never imported statically", () => {
  const importers = SOURCES.filter(({ imports }) =>
    imports.some((name) => /^(bun|node):ffi$|^koffi$|^bun$/.test(name))
  );
  assertEquals(importers.map(({ path }) => path), []);
});

/** All ones, to cut to a width or to bound a range; and fe80::/10, which is RFC 4291's, not a header's. */
const HARMLESS = /^0x(7?f+|fe|c0|80)$/i;

test("only ffi/abi/ holds numbers from headers", () => {
  const numbers = SOURCES.filter(({ path }) => !path.startsWith("ffi/abi/")).flatMap(({ path, code }) =>
    [...code.matchAll(/\b0[xo][0-9a-f_]+\b/gi)].map(([literal]) => literal)
      .filter((literal) => Number(literal) >= 0x10 && !HARMLESS.test(literal)).map((literal) => `${path}: ${literal}`)
  );
  assertEquals(numbers, []);
});

test("every module says what it is for", () => {
  const silent = SOURCES.filter(({ text }) => !/^\/\*\*\n \* \S[\s\S]*?\* @module\n/.test(text)).map(({ path }) =>
    path
  );
  assertEquals(silent, []);
});

/** More lines than that do not fit a screen. */
const LONGEST_FUNCTION = 60;

test("no function is longer than a screen", () => {
  const long = SOURCES.flatMap(({ path, code }) => {
    const lines = code.split("\n");
    return lines.flatMap((line, i) => {
      const isStart = /^(export )?(default )?(async )?function\b.*[({]$/.test(line) ||
        /^ {2}(static |override |protected |async |get |set |\*)*[#\w[.\]]+(<.*>)?\((.*\)(: [^=]*)? \{)?$/.test(line);
      if (!isStart) return [];
      const indent = line.match(/^ */)![0];
      const end = lines.findIndex((other, j) => j > i && (other === `${indent}}` || /^\s*\): .*;$/.test(other)));
      return end - i > LONGEST_FUNCTION ? [`${path}:${i + 1} has ${end - i} lines`] : [];
    });
  });
  assertEquals(long, []);
});
