/**
 * Makes the package's files from the built modules: one CommonJS file with all the code, and for each entry a small file for `require`,
 * one for `import`, and declarations for both.
 *
 * There is one copy of the code, so that a program in which some packages import and others require has one set of classes and one
 * engine a thread, whatever its tools make of either. It is CommonJS because any module can load that: Jest's and old bundlers' too.
 *
 * @module
 */
import { cpSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { run } from "./command.ts";
import { CODE, CORE, CORE_FOR_IMPORT, DENO_DGRAM, entries, fileName } from "./package.ts";

/** The parts of the core, by the modules they come from. `register.js` does something when it is loaded, so it is an entry only. */
const PARTS: Readonly<Record<string, string>> = {
  "./mod.ts": "main",
  "./register.ts": "registration",
  "./promises.ts": "promises",
  "./jsre.ts": "jsre",
  "./unix_dgram.ts": "unixDgram",
};

/** Not one of Node's: the modules that hold a part under another file name. */
const PART_MODULES: Readonly<Record<string, string>> = { "./register.ts": "./registration.js" };

/**
 * Before the core. Built-in modules are asked for in a way that bundlers do not see: bundled as an ES module, `require` is not there.
 * Jest and others replace modules for a program; here it is as if this module were a built-in itself. esbuild's way to import them reads
 * every property, which in Bun makes `process` create its streams and more (7 ms).
 */
const PROLOGUE = `"use strict";
const builtinModule = globalThis.process?.getBuiltinModule?.bind(process) ?? module.constructor._load;
if (!builtinModule) throw new Error("dgram-ffi needs Node 20.19, 22.12 or later, Deno or Bun");
const importOf = (builtin) => ({ __proto__: builtin, default: builtin });
const moduleUrl = typeof __filename === "string" ? "file://" + encodeURI(__filename).replace(/[?#]/g, encodeURIComponent) : undefined;
`;

/** Makes the files in a folder from the modules and declarations in its folder {@linkcode CODE}. */
export function bundle(out: string): void {
  const code = join(out, CODE);
  const source = join(code, "core.js");
  const parts = Object.entries(PARTS).map(([path, part]) =>
    `export * as ${part} from "${PART_MODULES[path] ?? asJs(path)}";`
  );
  writeFileSync(
    source,
    `${parts.join("\n")}
export { moduleUrls } from "./ffi/runtimes/koffi.js";
`,
  );
  writeFileSync(join(out, CORE), core(source));
  writeFileSync(
    join(out, CORE_FOR_IMPORT),
    `"use strict";\nconst core = require("./${CORE}");\nmodule.exports = core;\n`,
  );
  writeFileSync(
    join(out, DENO_DGRAM),
    `import core from "./${CORE_FOR_IMPORT}";
export const { createSocket, Socket } = core.main;
export default process.getBuiltinModule("node:dgram");
`,
  );
  for (const [name, path] of Object.entries(entries)) writeEntry(out, fileName(name), path);
  copyDeclarations(code, out);
}

const asJs = (path: string): string => path.replace(/\.ts$/, ".js");

/** All the code as one CommonJS module. */
function core(source: string): string {
  const text = run("esbuild", [
    source,
    ...["--bundle", "--format=cjs", "--platform=node", "--target=es2022"],
    ...["--log-level=warning", "--define:import.meta.url=moduleUrl"],
  ]);
  const withBuiltins = text.replaceAll(/\brequire\("node:/g, 'builtinModule("node:')
    .replaceAll(/__toESM\((builtinModule\("[^"]+"\))(?:, 1)?\)/g, "importOf($1)");
  if (/\brequire\(/.test(withBuiltins)) throw new Error("the core requires something that is not built in");
  const withDenoDgram = withBuiltins.replace('"./deno_dgram.js"', `"./${DENO_DGRAM}"`);
  if (withDenoDgram === withBuiltins) throw new Error("the core does not name deno_dgram");
  writeFileSync(source, PROLOGUE + withDenoDgram);
  // In a step by itself, as a script: so the names at the top stay, which stack traces and `util.inspect` show.
  const minified = run("esbuild", [source, "--minify", "--target=es2022", "--line-limit=120", "--log-level=warning"]);
  return joinStrings(minified);
}

/** esbuild breaks lines within strings, too, and a bundler that indents what it takes in (Rollup's CommonJS plugin) changes those. */
function joinStrings(text: string): string {
  if (text.includes("\\\\\n")) throw new Error("a backslash before a line's end");
  return text.replaceAll("\\\n", "");
}

/** What a module exports, the default apart, and whether it has one. */
function exportsOf(path: string): { names: string[]; hasDefault: boolean } {
  const metafile = join(dirname(path), "meta.json");
  run("esbuild", [
    path,
    "--bundle",
    "--format=esm",
    "--platform=node",
    `--metafile=${metafile}`,
    `--outfile=${metafile}.js`,
    "--log-level=error",
  ]);
  const { outputs } = JSON.parse(readFileSync(metafile, "utf8"));
  const [output] = Object.values(outputs) as { exports: string[] }[];
  const exports = output?.exports ?? [];
  return { names: exports.filter((name) => name !== "default").sort(), hasDefault: exports.includes("default") };
}

/** The files of an entry: `require` and `import` of the same objects. */
function writeEntry(out: string, file: string, path: string): void {
  const { names, hasDefault } = exportsOf(join(out, CODE, asJs(path)));
  const part = PARTS[path];
  const end = part === "registration" ? `core.${part}.register();\n` : "";
  const all = hasDefault ? [...names, "default"] : names;
  // Written out, so that whoever imports it by name from a module finds the names.
  writeFileSync(
    join(out, `${file}.js`),
    `"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
const core = require("./${CORE}");
${all.map((name) => `exports.${name} = core.${part}.${name};\n`).join("")}${end}`,
  );
  writeFileSync(
    join(out, `${file}.mjs`),
    `import core from "./${CORE_FOR_IMPORT}";
core.moduleUrls.push(import.meta.url);
export const { ${names.join(", ")} } = core.${part};
${hasDefault ? `export default core.${part}.default;\n` : ""}${end}`,
  );
}

/** Without it nothing of Node's is known to a project whose tsconfig.json has `"types": []`, as `tsc --init` writes it. */
const NODE_TYPES = '/// <reference types="node" />\n';

/** The declarations, for CommonJS; and for each entry those of the module that shows the same. */
function copyDeclarations(code: string, out: string): void {
  const names = new Map(
    Object.entries(entries).map(([name, path]) => [path.replace(/^\.\/|\.ts$/g, ""), fileName(name)]),
  );
  for (const path of readdirSync(code, { recursive: true, encoding: "utf8" })) {
    if (!path.endsWith(".d.ts")) continue;
    const name = names.get(path.slice(0, -".d.ts".length));
    const target = join(out, name ? `${name}.d.ts` : path);
    cpSync(join(code, path), target, { recursive: true });
    const text = readFileSync(target, "utf8");
    const usesNode = name || /\b(Buffer|NodeJS)\b|"node:/.test(text);
    writeFileSync(target, (usesNode ? NODE_TYPES : "") + forOldTypeScript(text));
    if (name) writeFileSync(join(out, `${name}.d.mts`), moduleDeclarations(basename(target), withDefault(code, text)));
  }
}

/**
 * Buffer and Uint8Array take a type argument since TypeScript 5.7, and AsyncIterableIterator takes three since 5.6. These types are
 * the same in newer versions, and exist in older ones.
 */
function forOldTypeScript(text: string): string {
  return text.replaceAll("Buffer<ArrayBuffer>", 'ReturnType<(typeof Buffer)["alloc"]>')
    .replaceAll("Uint8Array<ArrayBuffer>", 'ReturnType<(typeof Uint8Array)["of"]>')
    .replace(/\bAsyncIterableIterator<(?=[^<>]+, undefined, void>)/g, "AsyncGenerator<");
}

/** With the declarations of the module whose default export an entry hands on. */
function withDefault(code: string, text: string): string {
  const handedOn = /export \{ default \} from "(.+)\.js";/.exec(text);
  return handedOn ? text + readFileSync(join(code, `${handedOn[1]}.d.ts`), "utf8") : text;
}

/** A module's default export cannot be handed on: in a module of Node, the default of CommonJS is all of it. */
function moduleDeclarations(file: string, text: string): string {
  const from = `"./${file.replace(/\.d\.ts$/, ".js")}"`;
  const declared = /declare const (\w+): (\{[^}]*\});\s*export default \1;/.exec(text);
  if (/export default/.test(text) && !declared) throw new Error(`${file}: what is the default export?`);
  if (!declared) return `${NODE_TYPES}export * from ${from};\n`;
  const [, name, type = ""] = declared;
  const used = [...new Set([...type.matchAll(/typeof (\w+)/g)].map(([, name]) => name))];
  return `${NODE_TYPES}import { ${used.join(", ")} } from ${from};
export * from ${from};
/** The module as one object. */
declare const ${name}: ${type};
export default ${name};
`;
}
