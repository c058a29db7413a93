/**
 * Debian's kernels in virtual machines (qemu-system), with this machine's files: older ones, and arm64. By emulation, as KVM in a
 * virtual machine stops before the kernel starts. Plain JavaScript for Node 20.
 */
import { spawnSync } from "node:child_process";
import { Buffer } from "node:buffer";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { ARM64_ENVIRONMENT, arm64Koffi, arm64Runtime, noArm64 } from "./arm64.mjs";
import { unpackDebian } from "./debian.mjs";
import { columnCommand, countCases } from "./columns.mjs";
import { installDebian, must, root, work } from "./packages.mjs";

const PACKAGES = ["qemu-system-x86", "qemu-system-arm", "kmod", "xz-utils"];

/** Debian's releases with the kernels that are tried. */
export const KERNELS = [
  { release: "bullseye", architecture: "amd64" },
  { release: "bookworm", architecture: "amd64" },
  { release: "trixie", architecture: "amd64" },
  { release: "bookworm", architecture: "arm64" },
];

/** What depends on the kernel: calls, segments, the error queue, timestamps. By emulation everything takes ten times as long or more. */
const FILES = ["exchange", "libc", "offload"];
/** An arm64 runtime takes seconds to start. */
const FEW_FILES = ["exchange", "libc"];

const QEMU = {
  amd64: {
    program: "qemu-system-x86_64",
    machine: ["-machine", "q35", "-accel", "tcg,thread=multi", "-cpu", "max"],
    console: "ttyS0",
  },
  arm64: {
    program: "qemu-system-aarch64",
    machine: ["-machine", "virt", "-accel", "tcg,thread=multi", "-cpu", "max,pauth-impdef=on"],
    console: "ttyAMA0",
  },
};

/** Why there can be no virtual machine here; undefined: there can. */
export function noKernels() {
  if (process.platform !== "linux" || process.arch !== "x64") return "they are prepared for Linux on x64";
  const missing = installDebian(PACKAGES);
  return missing.length > 0 ? `Debian's ${missing.join(", ")} could not be installed` : noArm64();
}

/** Runs the files in all runtimes under a kernel. @returns Its version, the counts of each runtime, and the seconds that it took. */
export function tryKernel({ release, architecture }) {
  const files = unpackDebian(release, architecture, `linux-image-${architecture}`, "busybox-static");
  const { version, modules, image } = kernelOf(files);
  const out = join(work, "kernels", `${release}-${architecture}`);
  rmSync(out, { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
  const initrd = join(out, "initrd");
  writeFileSync(initrd, archive(contents(files, modules, version, architecture)));
  writeFileSync(join(out, "script"), script(architecture));
  const started = Date.now();
  const { program, machine, console: tty } = QEMU[architecture];
  const share = (name, path, ...more) => [
    "-virtfs",
    [`local,path=${path},mount_tag=${name},security_model=none,multidevs=remap`, ...more].join(","),
  ];
  const { stdout } = spawnSync(program, [
    ...machine,
    ...["-smp", "2", "-m", "4096", "-nographic", "-no-reboot", "-nic", "none", "-kernel", image, "-initrd", initrd],
    ...["-append", `console=${tty} quiet panic=-1`],
    ...[...share("host", "/", "readonly=on"), ...share("modules", modules, "readonly=on"), ...share("out", out)],
  ], { encoding: "utf8", timeout: 1_200_000, killSignal: "SIGKILL", maxBuffer: 1 << 28 });
  writeFileSync(join(out, "console"), stdout ?? "");
  const results = Object.keys(commands(architecture)).map((name) => ({
    name,
    ...countCases(join(out, `${name}.xml`)),
  }));
  return { version, results, seconds: Math.round((Date.now() - started) / 1000), log: out };
}

/** The kernel among the files of its package; its modules are made ready to be loaded. */
function kernelOf(files) {
  const folder = [join(files, "usr/lib/modules"), join(files, "lib/modules")].find(existsSync);
  const [version] = readdirSync(folder);
  if (!existsSync(join(folder, version, "modules.dep"))) {
    must("find", [join(folder, version), "-name", "*.ko.xz", "-exec", "xz", "-d", "{}", "+"]);
    must("depmod", ["-b", join(folder, "../.."), version]);
  }
  return { version, modules: folder, image: join(files, "boot", `vmlinuz-${version}`) };
}

/** The files of the first file system: busybox, the modules by which the others are mounted, and what is run. */
function contents(files, modules, version, architecture) {
  const busybox = readFileSync([join(files, "bin/busybox"), join(files, "usr/bin/busybox")].find(existsSync));
  const entries = [["bin/busybox", busybox], ["init", readFileSync(join(root, "tests/platforms/init.sh"))]];
  entries.push(["prepare", architecture === "arm64" ? ARM64_FILES : ""]);
  const folder = join(modules, version);
  const dependencies = new Map(
    readFileSync(join(folder, "modules.dep"), "utf8").trim().split("\n").map((line) => {
      const [file, rest] = line.split(":");
      return [file, rest.trim().split(" ").filter(Boolean)];
    }),
  );
  const wanted = [...dependencies.keys()].filter((file) => /\/(virtio_pci|9pnet_virtio|9p|overlay)\.ko$/.test(file));
  for (const file of new Set(wanted.flatMap((file) => [file, ...dependencies.get(file)]))) {
    entries.push([`lib/modules/${version}/${file}`, readFileSync(join(folder, file))]);
  }
  for (const name of readdirSync(folder).filter((name) => /^modules\.(dep|alias|symbols|builtin)/.test(name))) {
    entries.push([`lib/modules/${version}/${name}`, readFileSync(join(folder, name))]);
  }
  return entries;
}

/** A cpio archive of the form that the kernel unpacks ("newc"), with the folders of its files. */
function archive(entries) {
  const folders = new Set();
  for (const [name] of entries) {
    const parts = name.split("/");
    for (let i = 1; i < parts.length; i++) folders.add(parts.slice(0, i).join("/"));
  }
  const chunks = [];
  let inode = 0;
  const add = (name, mode, data) => {
    const numbers = [++inode, mode, 0, 0, 1, 0, data.length, 0, 0, 0, 0, name.length + 1, 0];
    const header = `070701${numbers.map((n) => n.toString(16).padStart(8, "0")).join("")}${name}\0`;
    chunks.push(Buffer.from(header.padEnd(Math.ceil(header.length / 4) * 4, "\0")));
    chunks.push(data, Buffer.alloc((4 - data.length % 4) % 4));
  };
  for (const name of folders) add(name, 0o40755, Buffer.alloc(0));
  for (const [name, data] of entries) add(name, 0o100755, Buffer.from(data));
  add("TRAILER!!!", 0, Buffer.alloc(0));
  return Buffer.concat(chunks);
}

/** On arm64 the host's programs cannot run: a shell, and the C libraries of the cross compiler where programs look for theirs. */
const ARM64_FILES = `
cp /bin/busybox /new/usr/bin/busybox.arm64
for name in sh env; do rm /new/usr/bin/$name; ln -s busybox.arm64 /new/usr/bin/$name; done
mkdir -p /new/usr/lib/aarch64-linux-gnu
mount --bind /new${ARM64_ENVIRONMENT.QEMU_LD_PREFIX}/lib /new/usr/lib/aarch64-linux-gnu
ln -s ${ARM64_ENVIRONMENT.QEMU_LD_PREFIX}/lib/ld-linux-aarch64.so.1 /new/usr/lib/ld-linux-aarch64.so.1
`;

/** The command of each runtime, with its report in /out. */
function commands(architecture) {
  const emulated = architecture === "arm64";
  const files = (emulated ? FEW_FILES : FILES).map((name) => `tests/${name}_test.ts`);
  const bin = (name) => emulated ? arm64Runtime(name) : join(root, "node_modules/.bin", name);
  return Object.fromEntries(
    ["node", "koffi", "bun", "deno"].map((name) => {
      const file = bin(name === "koffi" ? "node" : name);
      // One process, as each takes ten seconds to start.
      const flags = name === "node" || name === "koffi" ? ["--test-isolation=none"] : [];
      return [name, columnCommand(name, file, files, `/out/${name}.xml`, flags)];
    }),
  );
}

/** What the machine runs: the files in each runtime. */
function script(architecture) {
  const quoted = (text) => `'${text}'`;
  const lines = Object.entries(commands(architecture)).map(([name, { file, parameters, environment }]) => {
    const variables = Object.entries(environment).map(([key, value]) => `${key}=${quoted(value)}`).join(" ");
    return `${variables} ${[file, ...parameters].map(quoted).join(" ")} > /out/${name}.log 2>&1`;
  });
  const koffi = architecture === "arm64" ? [`export NODE_PATH=${arm64Koffi()}`] : [];
  return [
    ...["export HOME=/tmp NO_COLOR=1", `export PATH=${process.env.PATH}:/usr/sbin`, `cd '${root}'`, ...koffi],
    ...["uname -a > /out/uname", ...lines],
  ].join("\n");
}
