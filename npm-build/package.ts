/**
 * What the npm package is: the one description, from which both ways of building it write the same package.json.
 *
 * @module
 */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

/** The folder with deno.json. */
export const root: string = dirname(dirname(fileURLToPath(import.meta.url)));

/** As much of deno.json as concerns a package. */
interface DenoJson {
  readonly version: string;
  readonly license: string;
  readonly exports: Readonly<Record<string, string>>;
  readonly publish: { readonly include: readonly string[] };
}

const deno: DenoJson = JSON.parse(readFileSync(join(root, "deno.json"), "utf8"));

/** The entries by their names in the package: `{ ".": "./mod.ts" }`. */
export const entries: Readonly<Record<string, string>> = deno.exports;

/** Texts, and folders of texts, that go into the package as they are. */
export const documents: readonly string[] = deno.publish.include.filter((path) => !isCode(path));

/** The folder of the package in which the modules stand, each with its declarations beside it. */
export const CODE = "esm";

/** The folder in it of what entries have in common. */
export const CHUNKS = "chunks";

/** The modules at the top: the entries, and what they find by its file name. */
export const topModules: readonly string[] = deno.publish.include.filter((path) => path.endsWith(".ts"));

/** Whether this is a module, or a folder of modules. */
function isCode(path: string): boolean {
  const isFolder = statSync(join(root, path)).isDirectory();
  return path.endsWith(".ts") || isFolder && readdirSync(join(root, path)).some((name) => name.endsWith(".ts"));
}

/** What a source file becomes: `./mod.ts` -> `./esm/mod.js`. */
function built(source: string, extension: ".js" | ".d.ts"): string {
  return `./${CODE}/${source.replace(/^\.\//, "").replace(/\.ts$/, extension)}`;
}

/** npm's record of where a package was built must name the repository; only its own CI knows it. */
function repository(): { repository?: { type: string; url: string } } {
  const name = process.env.GITHUB_REPOSITORY;
  return name ? { repository: { type: "git", url: `git+https://github.com/${name}.git` } } : {};
}

/** The package.json. There are modules only: Node 20.19 and 22.12 are the first whose `require()` takes those. */
export const manifest = {
  name: "dgram-ffi",
  version: deno.version,
  description: "UDP for Deno, Bun and Node with the surface of Node's dgram, straight from libc by FFI",
  keywords: ["udp", "dgram", "datagram", "socket", "multicast", "unix-dgram", "ffi", "deno", "bun", "node"],
  license: deno.license,
  ...repository(),
  type: "module",
  main: built(entries["."], ".js"),
  types: built(entries["."], ".d.ts"),
  exports: {
    ...Object.fromEntries(
      Object.entries(entries).map((
        [name, source],
      ) => [name, { types: built(source, ".d.ts"), default: built(source, ".js") }]),
    ),
    "./package.json": "./package.json",
  },
  files: [
    ...deno.publish.include.filter(isCode).flatMap((path) =>
      path.endsWith(".ts") ? [built(path, ".js"), built(path, ".d.ts")] : [`./${CODE}/${path}`]
    ),
    `./${CODE}/${CHUNKS}`,
    ...documents,
  ].map((path) => path.replace(/^\.\//, "")),
  sideEffects: [built(entries["./register"], ".js")],
  engines: { node: "^20.19.0 || >=22.12.0" },
  peerDependencies: { koffi: "^2.16.3 || ^3.0.0" },
  peerDependenciesMeta: { koffi: { optional: true } },
};
