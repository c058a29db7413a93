/**
 * Builds the package's code with dnt, which checks its types and runs the test suite on it in Node.
 *
 * @module
 */
import { cpSync, existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { run } from "./command.ts";
import { CODE, entries, manifest, root } from "./package.ts";

/** Which dnt. */
export const DNT = "jsr:@deno/dnt@0.43.2";

/** As much of dnt as is used here; its own types are not there where JSR is out of reach. */
interface Dnt {
  build(options: Record<string, unknown>): Promise<void>;
}

/** As much as is used of what TypeScript finds fault with. */
interface Diagnostic {
  readonly file?: { readonly fileName: string };
}

/** dnt, or undefined and why it cannot be had. */
export async function loadDnt(): Promise<{ dnt: Dnt } | { dnt: undefined; why: string }> {
  try {
    // Not written out: `deno check` would want to load it.
    const name: string = DNT;
    return { dnt: await import(name) };
  } catch (error) {
    return { dnt: undefined, why: String((error as Error).message).replace(/\n.*/s, "") };
  }
}

/** Writes the modules to a folder of `out`, and much else that `files` in package.json leaves out. */
export async function buildWithDnt(dnt: Dnt, out: string): Promise<void> {
  await dnt.build({
    entryPoints: Object.entries(entries).map(([name, path]) => ({ name, path })),
    outDir: out,
    rootTestDir: "./tests",
    testPattern: "*_test.ts",
    importMap: pathToFileURL(writeImportMap(out)).href,
    // The code picks its runtime itself.
    shims: {},
    // Nor does it need others: all they would bring is in the oldest Node that `engines` admits.
    polyfills: false,
    scriptModule: false,
    // Those of `deno pack` are there: without what no entry shows, they are half as large.
    declaration: false,
    // The sources are not in the package a second time.
    skipSourceOutput: true,
    // As the tests are written to run.
    testIsolation: "process",
    typeCheck: "single",
    compilerOptions: { target: "ES2022", lib: ["ESNext"], sourceMap: false },
    // The tests' types are checked with the project's own; here dnt sees them without the declarations of std_assert.
    filterDiagnostic: (diagnostic: Diagnostic) => !diagnostic.file?.fileName.includes("/src/tests/"),
    // dnt writes the type beside the modules. The tests find what they need besides, like koffi, in the project's node_modules.
    package: { ...manifest, type: undefined, devDependencies: { "@types/node": versionOf("@types/node") } },
    postBuild: () => copyScripts(out),
  });
}

/** Where the test suite's assertions come from, in terms that dnt knows. */
function writeImportMap(out: string): string {
  const file = join(out, "import_map.json");
  const imports = {
    "@std/assert": pathToFileURL(join(root, "tests/std_assert/mod.js")).href,
    "deno-std/": `npm:/deno-std@${versionOf("deno-std")}/`,
  };
  writeFileSync(file, JSON.stringify({ imports }));
  return file;
}

/** The version of a package that the project develops with. */
function versionOf(name: string): string {
  return JSON.parse(readFileSync(join(root, "package.json"), "utf8")).devDependencies[name];
}

/** No test imports the scripts and examples it starts, so dnt does not know them. */
function copyScripts(out: string): void {
  run("tsc", ["--noCheck"]);
  for (const folder of ["tests", "examples"]) {
    const [from, to] = [join(root, ".work/js", folder), join(out, CODE, folder)];
    for (const path of readdirSync(from, { recursive: true, encoding: "utf8" })) {
      if (path.endsWith(".js") && !existsSync(join(to, path))) cpSync(join(from, path), join(to, path));
    }
  }
}
