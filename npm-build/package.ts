/**
 * What the npm package is: the one description, from which both ways of building it write the same package.json.
 *
 * @module
 */
import { spawnSync } from "node:child_process";
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

/** Whether only JSR has a file, for the links of its texts. Links of the npm package lead to the repository. */
export const isOnlyOnJsr = (path: string): boolean =>
  /^(bench|examples)\b|^CONTRIBUTING|^docs\/architecture/.test(path);

const included = deno.publish.include.filter((path) => !isOnlyOnJsr(path));

/** What is published, but not by npm. */
export const onlyOnJsr: readonly string[] = deno.publish.include.filter(isOnlyOnJsr);

/** Texts, and folders of texts, that go into the package as they are. */
export const documents: readonly string[] = included.filter((path) => !isCode(path));

/** The folder in which the modules and their declarations are built, and from which the package's files are made. */
export const CODE = "esm";

/** The package's file with all the code. */
export const CORE = "core.js";

/**
 * The same for `import`. Before an ES module imports a CommonJS file, Node looks through it for what it exports, which takes Node 20 15 ms
 * for all the code. In this file there is nothing to be found.
 */
export const CORE_FOR_IMPORT = "core_for_import.js";

/** The package's file that Deno imports as `dgram` after `register`. */
export const DENO_DGRAM = "deno_dgram.mjs";

/** What an entry's files are called, without their extensions: so `dgram-ffi/jsre` is found by tools that do not know `exports`. */
export const fileName = (entry: string): string => entry === "." ? "mod" : entry.slice("./".length);

/** Whether this is a module, or a folder of modules. */
function isCode(path: string): boolean {
  const isFolder = statSync(join(root, path)).isDirectory();
  const holdsCode = (): boolean =>
    readdirSync(join(root, path), { recursive: true, encoding: "utf8" }).some((name) => name.endsWith(".ts"));
  return path.endsWith(".ts") || (isFolder && holdsCode());
}

/** Where the project lives: its CI knows, or the clone. npm's record of where a package was built must name it. */
function repositoryUrl(): string | undefined {
  const { GITHUB_REPOSITORY } = process.env;
  if (GITHUB_REPOSITORY) return `https://github.com/${GITHUB_REPOSITORY}`;
  const { stdout } = spawnSync("git", ["config", "--get", "remote.origin.url"], { cwd: root, encoding: "utf8" });
  const [, name] = /github\.com[:/](.+?)(?:\.git)?\s*$/.exec(stdout ?? "") ?? [];
  return name && `https://github.com/${name}`;
}

/** See {@linkcode repositoryUrl}. */
export const repository: string | undefined = repositoryUrl();

const links = repository && {
  homepage: `${repository}#readme`,
  bugs: { url: `${repository}/issues` },
  repository: { type: "git", url: `git+${repository}.git` },
};

const files = Object.keys(entries).map(fileName);

/** The package.json. `main` and `types` are for tools that do not know `exports`. */
export const manifest = {
  name: "dgram-ffi",
  version: deno.version,
  description: "UDP for Deno, Bun and Node with the surface of Node's dgram, straight from libc by FFI",
  keywords: ["udp", "dgram", "datagram", "socket", "multicast", "unix-dgram", "ffi", "deno", "bun", "node"],
  license: deno.license,
  ...links,
  type: "commonjs",
  main: "./mod.js",
  types: "./mod.d.ts",
  exports: {
    ...Object.fromEntries(
      Object.keys(entries).map((name) => [name, {
        import: { types: `./${fileName(name)}.d.mts`, default: `./${fileName(name)}.mjs` },
        default: { types: `./${fileName(name)}.d.ts`, default: `./${fileName(name)}.js` },
      }]),
    ),
    "./package.json": "./package.json",
  },
  files: [
    ...files.flatMap((file) => [`${file}.js`, `${file}.mjs`, `${file}.d.ts`, `${file}.d.mts`]),
    CORE,
    CORE_FOR_IMPORT,
    DENO_DGRAM,
    // What the declarations of register show.
    "registration.d.ts",
    ...included.filter((path) => isCode(path) && !path.endsWith(".ts")).map((path) => `${path}/**/*.d.ts`),
    ...documents,
  ],
  sideEffects: ["./register.js", "./register.mjs"],
  engines: { node: "^20.19.0 || >=22.12.0", deno: ">=2.8.2", bun: ">=1.4.0" },
  peerDependencies: { koffi: "^2.16.3 || ^3.0.0" },
  peerDependenciesMeta: { koffi: { optional: true } },
};
