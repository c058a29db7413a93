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
  assert(within("src").some((source) => source.imports.some((name) => name.startsWith("../ffi/"))));
});

test("src/ knows no pointer and no native memory", () => {
  const users = within("src").filter((source) =>
    source.imports.some((name) => /\/(memory|binding|native_libc)\.ts$/.test(name))
  );
  assertEquals(users.map(({ path }) => path), []);
});

test("no modules import each other in a circle", () => {
  const edges = new Map(SOURCES.map((source) => {
    // What is imported as a type only is gone when the code runs.
    const types = new Set([...source.code.matchAll(/^import type [^;]*?from "([^"]+)";$/gm)].map(([, name]) => name));
    return [
      source.path,
      source.imports.filter((name) => !types.has(name)).flatMap((name) => target(source, name) ?? []),
    ];
  }));
  const done = new Set<string>();
  const visit = (path: string, way: readonly string[]): void => {
    assert(!way.includes(path), [...way, path].join(" -> "));
    if (done.has(path)) return;
    for (const next of edges.get(path) ?? []) visit(next, [...way, path]);
    done.add(path);
  };
  for (const path of edges.keys()) visit(path, []);
});

/** Where runtimes may be named. runtime.ts lists what there is; registration.ts steps into a runtime's module system. */
const RUNTIME_FILES = /^ffi\/((deno|bun|node|koffi|load|runtime|support)\.ts|poll\/)|^registration\.ts$/;

test("only the runtimes' own files name a runtime", () => {
  const named = SOURCES.filter(({ path, code }) =>
    !RUNTIME_FILES.test(path) && /\b(Deno|Bun|koffi|bun:ffi|node:ffi|versions\.(bun|deno))\b/.test(code)
  );
  assertEquals(named.map(({ path }) => path), []);
  const own = { deno: "Deno", bun: "bun:ffi", node: "node:ffi", koffi: "koffi" };
  for (const [file, name] of Object.entries(own)) assert(read(`ffi/${file}.ts`).code.includes(name), file);
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
