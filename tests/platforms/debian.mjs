/**
 * Files of Debian packages of any release and architecture, unpacked into .work/platforms: nothing of them is installed. Plain JavaScript for Node 20.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { must, work } from "./packages.mjs";

const KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";

/** The address from which this Debian takes its packages. */
function archive() {
  const targets = must("apt-get", ["indextargets", "--format", "$(REPO_URI) $(CODENAME)"]).split("\n");
  const { VERSION_CODENAME: own } = Object.fromEntries(
    readFileSync("/etc/os-release", "utf8").trim().split("\n").map((line) => line.split("=")),
  );
  return targets.find((line) => line.endsWith(` ${own}`)).split(" ")[0];
}

/** What makes apt look at another release and architecture, with lists and a state besides the system's. */
function settings(release, architecture) {
  const folder = join(work, "debian", `${release}-${architecture}`);
  for (const name of ["lists/partial", "cache/archives/partial", "files"]) {
    mkdirSync(join(folder, name), { recursive: true });
  }
  const sources = join(folder, "sources.list");
  writeFileSync(join(folder, "status"), "");
  if (!existsSync(sources)) writeFileSync(sources, `deb [signed-by=${KEYRING}] ${archive()} ${release} main\n`);
  const options = {
    "APT::Architecture": architecture,
    "APT::Architectures": architecture,
    "APT::Sandbox::User": "root",
    "Acquire::Languages": "none",
    "Dir::Cache": join(folder, "cache"),
    "Dir::Etc::SourceList": sources,
    "Dir::Etc::SourceParts": "-",
    "Dir::State": folder,
    "Dir::State::Lists": join(folder, "lists"),
    "Dir::State::Status": join(folder, "status"),
  };
  return { folder, flags: Object.entries(options).flatMap(([name, value]) => ["-o", `${name}=${value}`]) };
}

/** Downloads packages and unpacks them. @returns The folder that stands for `/`. */
export function unpackDebian(release, architecture, ...packages) {
  const { folder, flags } = settings(release, architecture);
  const root = join(folder, "files");
  const missing = packages.filter((name) => !existsSync(join(folder, `${name}.unpacked`)));
  if (missing.length === 0) return root;
  must("apt-get", [...flags, "update", "-qq"]);
  for (const name of missing) {
    const archives = join(folder, "cache", name);
    mkdirSync(archives, { recursive: true });
    must("apt-get", [...flags, "download", "-qq", realPackage(flags, name)], { cwd: archives });
    for (const file of readdirSync(archives)) must("dpkg-deb", ["-x", join(archives, file), root]);
    writeFileSync(join(folder, `${name}.unpacked`), "");
  }
  return root;
}

/** `linux-image-amd64` depends on the package that has the kernel. */
function realPackage(flags, name) {
  if (!name.startsWith("linux-image-")) return name;
  return /Depends: (linux-image-\d\S*)/.exec(must("apt-cache", [...flags, "depends", name]))[1];
}
