/**
 * The programs in the texts: code blocks of Markdown and the examples of docstrings, to be run and type-checked.
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { codeRoot, projectRoot } from "./project.ts";
import { runtime } from "./runtime.ts";

/** A block of code. */
export interface Snippet {
  /** The file, from the project's folder. */
  readonly from: string;
  /** The line at which the code begins. */
  readonly line: number;
  /** In Markdown the heading above it. */
  readonly heading: string;
  readonly code: string;
}

/** The TypeScript blocks of a Markdown file. */
export function snippetsOf(from: string): Snippet[] {
  const snippets: Snippet[] = [];
  let heading = "";
  let block: { line: number; lines: string[]; indent: number } | undefined;
  for (const [i, line] of readFileSync(join(projectRoot, from), "utf8").split("\n").entries()) {
    const fence = /^( *)```(\w*)/.exec(line);
    if (block && fence) {
      snippets.push({ from, line: block.line, heading, code: `${block.lines.join("\n")}\n` });
      block = undefined;
    } else if (block) block.lines.push(line.slice(block.indent));
    else if (fence?.[2] === "ts") block = { line: i + 2, lines: [], indent: fence[1].length };
    else if (/^#+ /.test(line)) heading = line.replace(/^#+ /, "").replaceAll("`", "");
  }
  return snippets;
}

/** The examples in the docstrings of a source file. */
export function examplesOf(from: string): Snippet[] {
  const text = readFileSync(join(projectRoot, from), "utf8");
  return [...text.matchAll(/^ *\* ```ts\n((?: *\*.*\n)*?) *\* ```$/gm)].map((match) => ({
    from,
    line: text.slice(0, match.index).split("\n").length + 1,
    heading: "",
    code: match[1].replace(/^ *\* ?/gm, ""),
  }));
}

/** The entries by the end of their names: `@dgram/ffi/promises` is `promises`. */
const ENTRIES: Readonly<Record<string, string>> = {
  "": "mod",
  "/promises": "promises",
  "/register": "register",
  "/jsre": "jsre",
  "/unix-dgram": "unix_dgram",
};

const extension = import.meta.url.slice(import.meta.url.lastIndexOf("."));

/** Names this project's files instead of the package. */
export function withOwnFiles(code: string): string {
  return code.replace(/(from |import )"(?:@dgram\/ffi|dgram-ffi)([/\w-]*)"/g, (_, before, name) => {
    return `${before}"${pathToFileURL(join(codeRoot, `${ENTRIES[name]}${extension}`))}"`;
  });
}

/**
 * Writes a program that this runtime can run into a folder.
 *
 * @param name Without extension.
 * @returns Its path.
 */
export function writeProgram(folder: string, name: string, code: string): string {
  const own = withOwnFiles(code);
  const path = join(folder, `${name}.${runtime === "koffi" ? "mjs" : "mts"}`);
  writeFileSync(path, runtime === "koffi" ? compiled(own) : own);
  return path;
}

/** Node 20 knows neither types nor `await using`. */
function compiled(code: string): string {
  const esbuild = join(projectRoot, "node_modules/.bin/esbuild");
  const { status, stdout, stderr } = spawnSync(esbuild, ["--loader=ts", "--target=node20", "--format=esm"], {
    input: code,
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(stderr);
  return stdout;
}
