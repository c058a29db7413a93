/**
 * The programs in the texts: code blocks of Markdown and the examples of docstrings, to be run and type-checked.
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
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

/** A project in which the npm package is installed, if programs are to use that instead of the sources. */
const installed = process.env.DGRAM_FFI_INSTALLED;

/** Has a program use the package of the project, by its name on npm. */
function withInstalled(folder: string, project: string, code: string): string {
  for (const name of ["node_modules", "package.json"]) {
    if (!existsSync(join(folder, name))) symlinkSync(join(project, name), join(folder, name));
  }
  return code.replaceAll('"@dgram/ffi', '"dgram-ffi');
}

/**
 * Writes a program that this runtime can run into a folder.
 *
 * @param name Without extension.
 * @returns Its path.
 */
export function writeProgram(folder: string, name: string, code: string): string {
  const own = installed ? withInstalled(folder, installed, code) : withOwnFiles(code);
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

/** What a fragment, which imports nothing of the package, may use. */
const CONTEXTS: readonly (readonly [folder: string, names: readonly string[], code: string])[] = [
  [
    "src/compat/jsre",
    ["socket", "server"],
    `import { createSocket } from "@dgram/ffi/jsre";
import { createSocket as createEventSocket } from "@dgram/ffi";
const server = createEventSocket("udp4", (message, { port, address }) => server.send(message, port, address));
const { port } = server.bindSync({ address: "127.0.0.1" });
const socket = createSocket("udp4");`,
  ],
  [
    "src/promises/unix",
    ["left", "right"],
    `import { createSocket } from "@dgram/ffi/promises";
const [left, right] = [createSocket("unix_dgram"), createSocket("unix_dgram")];
await left.connect((await right.bind()).path);`,
  ],
  [
    "src/promises/",
    ["socket", "server"],
    `import { createSocket } from "@dgram/ffi/promises";
import { createSocket as createEventSocket } from "@dgram/ffi";
const address = "127.0.0.1";
const server = createEventSocket("udp4", (message, { port, address }) => server.send(message, port, address));
const { port } = server.bindSync({ address });
const socket = createSocket("udp4");`,
  ],
  [
    "src/unix/",
    ["socket", "left", "right"],
    `import { createSocket, socketpair } from "@dgram/ffi";
const socket = createSocket({ type: "unix_dgram", unlinkOnClose: true });
const [left, right] = socketpair({ recvFds: true });`,
  ],
  [
    "",
    ["socket", "server"],
    `import { createSocket } from "@dgram/ffi";
const address = "127.0.0.1";
const server = createSocket("udp4", (message, { port, address }) => server.send(message, port, address));
const { port } = server.bindSync({ address });
const socket = createSocket("udp4");`,
  ],
];

/** An example as a whole program, which exports its sockets as \`sockets\` if they are to be closed for it. */
export function programOf({ from, code }: Snippet): string {
  if (/^import (?!type).* from "@dgram|^import "@dgram/m.test(code)) {
    return `${code}export const sockets: never[] = [];\n`;
  }
  const [, names, context] = CONTEXTS.find(([folder]) => from.startsWith(folder))!;
  return `${context}\n${code}export const sockets = [${names.join(", ")}];\n`;
}

/** What an example prints, by the comments behind \`console.log()\`; undefined for a line that varies. */
export function expectedOutput({ code }: Snippet): (string | undefined)[] {
  return code.split("\n").filter((line) => line.includes("console.log(")).map((line) => / \/\/ (.+)$/.exec(line)?.[1]);
}
