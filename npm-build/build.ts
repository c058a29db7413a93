/**
 * Builds the npm package and its tarball in .work/npm.
 *
 * deno run -A npm-build/build.ts [--with=dnt|deno-pack]
 *
 * `deno pack`, which needs no registry, writes the modules and their declarations; dnt, which comes from JSR, then writes the
 * modules again. If it is out of reach, the former are used. From the modules, bundle.ts makes the files that are published. All else is
 * the same either way: the declarations, and by package.ts name, version, exports, engines, peers and files. What differs:
 *
 * - dnt has the types checked by TypeScript proper, as users' projects see them, besides Deno's own check,
 * - it runs the test suite on its modules, in Node,
 * - its modules come from TypeScript's emitter, which leaves methods with a computed name as they are; Deno's puts the name into a
 *   variable first. There is no other difference but layout.
 *
 * @module
 */
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join, posix, relative } from "node:path";
import process from "node:process";
import { bundle } from "./bundle.ts";
import { run } from "./command.ts";
import { buildWithDenoPack } from "./deno_pack.ts";
import { buildWithDnt, loadDnt } from "./dnt.ts";
import { CODE, documents, isOnlyOnJsr, manifest, repository, root } from "./package.ts";

/** As much of npm's report as is printed. */
interface Packed {
  readonly filename: string;
  readonly size: number;
  readonly unpackedSize: number;
  readonly files: readonly { readonly path: string; readonly size: number }[];
}

const wanted = process.argv.find((arg) => arg.startsWith("--with="))?.slice("--with=".length);
const work = join(root, ".work/npm");
const out = join(work, "package");

async function buildCode(): Promise<string> {
  buildWithDenoPack(out);
  if (wanted === "deno-pack") return "deno pack";
  const loaded = await loadDnt();
  if (loaded.dnt) {
    await buildWithDnt(loaded.dnt, out);
    return "dnt";
  }
  if (wanted === "dnt") throw new Error(`dnt cannot be loaded: ${loaded.why}`);
  console.log(`dnt cannot be loaded, so the package is what deno pack builds: ${loaded.why}`);
  return "deno pack";
}

/** Copies a text, or a folder of texts. */
function copyDocument(name: string): void {
  const isWanted = (path: string): boolean => !isOnlyOnJsr(relative(root, path));
  cpSync(join(root, name), join(out, name), { recursive: true, filter: isWanted });
  const inFolder = statSync(join(root, name)).isDirectory();
  const texts = inFolder ? readdirSync(join(root, name)).map((file) => `${name}/${file}`) : [name];
  for (const path of texts.filter((path) => path.endsWith(".md") && !isOnlyOnJsr(path))) {
    writeFileSync(join(out, path), withLinks(readFileSync(join(root, path), "utf8"), path));
  }
}

/** What a text links to that is not in the package is in the repository; if nobody knows where that is, only the words are left. */
function withLinks(text: string, path: string): string {
  return text.replace(
    /(!?)\[([^\]]*)\]\((?!\w+:|#)([^)#\s]+)(#[^)]*)?\)/g,
    (link, image, words, target, anchor = "") => {
      const full = posix.join(posix.dirname(path), target);
      if (!isOnlyOnJsr(full) && documents.some((document) => full === document || full.startsWith(`${document}/`))) {
        return link;
      }
      if (!repository) return image ? "" : words;
      const url = image ? `${repository}/raw/v${manifest.version}` : `${repository}/blob/v${manifest.version}`;
      return `${image}[${words}](${url}/${full}${anchor})`;
    },
  );
}

rmSync(work, { recursive: true, force: true });
mkdirSync(out, { recursive: true });
const tool = await buildCode();
// The test suite looks into single modules.
cpSync(join(out, CODE), join(work, "modules"), { recursive: true });
bundle(out);
rmSync(join(out, CODE), { recursive: true });
writeFileSync(join(out, "package.json"), `${JSON.stringify(manifest, undefined, 2)}\n`);
for (const name of documents) copyDocument(name);

const [packed]: Packed[] = JSON.parse(
  run("npm", ["pack", "--json", "--ignore-scripts", `--pack-destination=${work}`], out),
);
if (!packed) throw new Error("npm pack made no package");
for (const { path, size } of packed.files) console.log(`${String(size).padStart(8)}  ${path}`);
console.log(
  `${join(work, packed.filename)}: built with ${tool}, ${packed.files.length} files, ` +
    `${packed.size} bytes, unpacked ${packed.unpackedSize}`,
);
