/**
 * Starts another example in the runtime this one runs in.
 *
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";

/** Starts an example beside this file, named without its extension; resolves with the first line it prints. */
export async function start(name: string): Promise<{ child: ChildProcess; firstLine: string }> {
  const extension = import.meta.url.slice(import.meta.url.lastIndexOf("."));
  const script = fileURLToPath(new URL(`./${name}${extension}`, import.meta.url));
  const flags = process.versions.deno ? ["run", "-A", "--quiet"] : process.versions.bun ? [] : ["--no-warnings"];
  const child = spawn(process.execPath, [...flags, script], { stdio: ["ignore", "pipe", "inherit"] });
  const firstLine = await new Promise<string>((resolve, reject) => {
    let text = "";
    child.stdout.on("data", (chunk) => {
      text += chunk;
      if (text.includes("\n")) resolve(text.slice(0, text.indexOf("\n")));
    });
    child.once("exit", (code) => reject(new Error(`${name} ended with ${code}`)));
  });
  return { child, firstLine };
}
