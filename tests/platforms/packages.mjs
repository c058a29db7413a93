/**
 * Packages that other platforms take, of Debian and of npm. Plain JavaScript for Node 20.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
export const work = join(root, ".work/platforms");
const { devDependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));

/** The version that the project develops with. */
export const current = (name) => devDependencies[name];

/** Ends with what a command printed if it fails. */
export function must(command, parameters, options = {}) {
  const { status, stdout, stderr, error } = spawnSync(command, parameters, { encoding: "utf8", ...options });
  if (status !== 0) {
    throw new Error(
      `${command} ${parameters.join(" ")}: ${error?.message ?? `exit code ${status}`}\n${stdout}${stderr}`,
    );
  }
  return stdout;
}

/** Installs those of some Debian packages that are missing, if this is Debian and its root. Gives those that are missing still. */
export function installDebian(packages) {
  const missing = () =>
    packages.filter((name) => {
      const { status, stdout } = spawnSync("dpkg-query", ["-W", "-f=${Status}", name], { encoding: "utf8" });
      return status !== 0 || !stdout.endsWith(" installed");
    });
  const wanted = missing();
  if (wanted.length === 0 || process.getuid() !== 0) return wanted;
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  spawnSync("apt-get", ["update", "-qq"], { env });
  spawnSync("apt-get", ["install", "-y", "-qq", "--no-install-recommends", ...wanted], { env });
  return missing();
}

/** Installs npm packages into a folder of `.work/platforms`, also such as are for another system. Gives its node_modules. */
export function installNpm(name, packages) {
  const folder = join(work, name);
  const modules = join(folder, "node_modules");
  const isThere = packages.every((spec) => {
    const at = spec.lastIndexOf("@");
    const file = join(modules, spec.slice(0, at), "package.json");
    return existsSync(file) && JSON.parse(readFileSync(file, "utf8")).version === spec.slice(at + 1);
  });
  if (isThere) return modules;
  mkdirSync(folder, { recursive: true });
  if (!existsSync(join(folder, "package.json"))) writeFileSync(join(folder, "package.json"), "{}");
  const flags = ["--no-audit", "--no-fund", "--prefer-offline", "--ignore-scripts", "--force", "--loglevel=error"];
  must("npm", ["install", ...flags, ...packages], { cwd: folder });
  return modules;
}
