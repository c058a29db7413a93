/**
 * The examples of docstrings run and print what they say, every exported symbol has one, and all code in the texts
 * passes TypeScript.
 *
 * @module
 */
import { spawn, spawnSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { assert, assertEquals } from "@std/assert";
import { test, type Tools } from "./support/harness.ts";
import { Network, noNamespaces } from "./support/namespaces.ts";
import { projectRoot } from "./support/project.ts";
import { commandFor, ended, fixture, linuxOnly, runtime } from "./support/runtime.ts";
import { scratch } from "./support/scratch.ts";
import {
  examplesOf,
  expectedOutput,
  programOf,
  type Snippet,
  snippetsOf,
  withOwnFiles,
  writeProgram,
} from "./support/snippets.ts";

/** Compilers are the same in all runtimes: once is enough, from the sources, which have the types. */
const once = { skip: runtime === "node" && import.meta.url.endsWith(".ts") ? undefined : "run in Node 26" };

const sourcesIn = (folder: string): string[] =>
  readdirSync(join(projectRoot, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts")).map((name) => join(folder, name)).sort();

const published = readdirSync(projectRoot).filter((name) => name.endsWith(".ts")).sort();
const examples = [...published, ...sourcesIn("src"), ...sourcesIn("ffi")].flatMap(examplesOf);
const nameOf = ({ from, line }: Snippet): string => `${from}:${line}`;

/** Runs examples in one process, in a namespace if there are any: they may join groups on all interfaces. */
async function outcome(t: Tools, some: readonly Snippet[]): Promise<string> {
  const folder = scratch(t, { "files/.keep": "" });
  const list = some.map((example, i) => {
    const program = programOf(example).replaceAll('"/run/', `"${folder}/files/${i}-`);
    const lines = expectedOutput(example);
    return { name: nameOf(example), path: writeProgram(folder, `example_${i}`, program), lines };
  });
  writeFileSync(join(folder, "list.json"), JSON.stringify(list));
  const words = commandFor(fixture("examples"), [join(folder, "list.json")]);
  const [command, ...args] = new Network(t).host("examples").command(...words);
  const { code, stdout, stderr } = await ended(spawn(command, args, { stdio: ["ignore", "pipe", "pipe"] }), 50_000);
  return `${stdout}${stderr}${code}`;
}

const registers = ({ from }: Snippet): boolean => from.startsWith("regist");

test("the examples of docstrings run, and print what they say", async (t) => {
  const some = examples.filter((example) => !registers(example));
  assert(some.length > 80, `only ${some.length} found`);
  assertEquals(await outcome(t, some), `${some.length} examples\n0`);
}, { skip: noNamespaces ?? linuxOnly("namespaces") });

test("those of register, which changes the whole process, too", async (t) => {
  const some = examples.filter(registers);
  assertEquals(some.length, 3);
  for (const example of some) assertEquals(await outcome(t, [example]), "1 examples\n0");
}, { skip: noNamespaces ?? linuxOnly("namespaces") });

interface Documented {
  readonly jsDoc?: { readonly tags?: readonly { readonly kind: string }[] };
}

test("every exported symbol, and every entry, has an example", () => {
  const lacking: string[] = [];
  const hasExample = (doc: Documented["jsDoc"]): boolean => doc?.tags?.some(({ kind }) => kind === "example") ?? false;
  const { exports }: { exports: Record<string, string> } = JSON.parse(
    readFileSync(join(projectRoot, "deno.json"), "utf8"),
  );
  for (const entry of Object.values(exports)) {
    const deno = join(projectRoot, "node_modules/.bin/deno");
    const { stdout } = spawnSync(deno, ["doc", "--json", entry], {
      cwd: projectRoot,
      encoding: "utf8",
      maxBuffer: 2 ** 26,
    });
    const [module] = Object.values(JSON.parse(stdout).nodes) as {
      module_doc?: Documented["jsDoc"];
      symbols: { name: string; declarations: Documented[] }[];
    }[];
    if (!hasExample(module.module_doc)) lacking.push(entry);
    for (const { name, declarations } of module.symbols) {
      if (!declarations.some(({ jsDoc }) => hasExample(jsDoc))) lacking.push(`${entry}: ${name}`);
    }
  }
  assertEquals(lacking, []);
}, once);

/** What the fragments in a text may use, beyond what they declare. */
const DECLARATIONS: Readonly<Record<string, string>> = {
  "docs/promises.md": `
    declare const socket: Socket, port: number, address: string, signal: AbortSignal, goOn: () => void;
    declare function store(message: Uint8Array, remote: RemoteInfo): Promise<void>;
    declare function answer(message: Uint8Array): Promise<string>;
    declare function handle(message: Uint8Array, remote: RemoteInfo): Promise<void>;
    declare const callback: () => void, message: string, messages: string[];`,
  "docs/control.md": `
    declare const socket: Socket, connected: Socket, message: Uint8Array, answer: string, localAddress: string;
    declare const port: number, address: string, callback: () => void;`,
  "docs/unix.md": `declare const client: UnixSocket, fd: number;`,
};
const IMPORTS = 'import { createSocket, type RemoteInfo, type Socket, type UnixSocket } from "@dgram/ffi";';

/** A block of a text as a module. What it declares itself is not declared for it. */
function moduleOf(snippet: Snippet): string {
  const { from, code } = snippet;
  const context = DECLARATIONS[from];
  if (!context) return `${code}export {};\n`;
  const imports = [...code.matchAll(/^import .*\n/gm)].map(([line]) => line).join("");
  const more = imports.includes("createSocket") ? IMPORTS.replace("createSocket, ", "") : IMPORTS;
  // In a function it shadows what is declared outside.
  const inner = code.replace(/^import .*\n/gm, "");
  return `${imports}${more}${context}\nexport async function block() {\n${inner}}\n`;
}

test("all code in README, the guides and the docstrings passes TypeScript, strictly", (t) => {
  const texts = ["README.md", ...readdirSync(join(projectRoot, "docs")).map((name) => `docs/${name}`)];
  const blocks = texts.flatMap(snippetsOf);
  assert(blocks.length > 25, `only ${blocks.length} found`);
  const folder = scratch(t, {});
  const own = pathToFileURL(projectRoot).href;
  const write = (snippet: Snippet, code: string): void => {
    const path = join(folder, `${nameOf(snippet).replace(/\W+/g, "_")}.mts`);
    writeFileSync(path, withOwnFiles(code).replaceAll(own, projectRoot));
  };
  for (const block of blocks) write(block, moduleOf(block));
  for (const example of examples) write(example, programOf(example));
  const compilerOptions = {
    target: "es2023",
    lib: ["es2024", "esnext.disposable"],
    module: "nodenext",
    strict: true,
    exactOptionalPropertyTypes: true,
    skipLibCheck: true,
    allowImportingTsExtensions: true,
    noEmit: true,
    types: ["node"],
    typeRoots: [join(projectRoot, "node_modules/@types")],
  };
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, include: ["*.mts"] }));
  const tsc = join(projectRoot, "node_modules/.bin/tsc");
  const { stdout } = spawnSync(tsc, ["--project", folder], { cwd: folder, encoding: "utf8" });
  assertEquals(stdout, "");
}, once);
