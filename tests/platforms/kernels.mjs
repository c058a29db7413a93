/**
 * Debian's kernels in virtual machines (qemu-system): older ones, and arm64. By emulation, as KVM in a virtual machine stops before the
 * kernel starts. All files are in the machine's memory from the beginning, as this machine's files by 9p take a runtime ten seconds at
 * each start. Plain JavaScript for Node 20.
 */
import { spawnSync } from "node:child_process";
import { Buffer } from "node:buffer";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
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

/**
 * What depends on the kernel: options, segments, control messages, descriptors. Files that start no child: by emulation a runtime takes
 * seconds to start.
 */
const FILES = ["kernel", "exchange", "received_details", "sent_controls"];
/** All of them in one file without types: by emulation each file that is looked for takes long, and removing types longer. */
const BUNDLE = "kernel_test.mjs";

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

/**
 * Runs the files in all runtimes under a kernel. @returns Its version, what the tests found out about it, the counts of each runtime, and
 * the seconds that it took, of time and of the processors'.
 */
export async function tryKernel({ release, architecture }) {
  const files = unpackDebian(release, architecture, `linux-image-${architecture}`, "busybox-static");
  const { version, modules, image } = kernelOf(files);
  const out = join(work, "kernels", `${release}-${architecture}`);
  rmSync(out, { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
  await bundleTests(join(out, BUNDLE));
  const initrd = join(out, "initrd");
  writeFileSync(
    initrd,
    archive([
      ...kernelFiles(files, join(modules, version), version),
      ...runtimeFiles(architecture),
      [`tests/${BUNDLE}`, readFileSync(join(out, BUNDLE))],
      ["script", script()],
    ]),
  );
  const [started, used] = [Date.now(), processorTime()];
  const { program, machine, console: tty } = QEMU[architecture];
  const { stdout } = spawnSync(program, [
    ...machine,
    ...["-smp", "2", "-m", "4096", "-nographic", "-no-reboot", "-nic", "none", "-kernel", image, "-initrd", initrd],
    ...["-append", `console=${tty} quiet panic=-1`],
    ...["-virtfs", `local,path=${out},mount_tag=out,security_model=none`],
  ], { encoding: "utf8", timeout: 1_200_000, killSignal: "SIGKILL", maxBuffer: 1 << 28 });
  writeFileSync(join(out, "console"), stdout ?? "");
  rmSync(initrd);
  const names = Object.keys(commands());
  const results = names.map((name) => ({ name, ...countCases(join(out, `${name}.xml`)) }));
  const logs = names.map((name) => join(out, `${name}.log`)).filter(existsSync).map((log) => readFileSync(log, "utf8"));
  const facts = new Set(logs.flatMap((log) => log.match(/(?<=this kernel: ).*/g) ?? []));
  return {
    version: `${version}${facts.size > 0 ? ` (${[...facts].join(", ")})` : ""}`,
    results,
    seconds: Math.round((Date.now() - started) / 1000),
    processorSeconds: processorTime() - used,
  };
}

/** The processors' time that children which have ended took, in seconds: proc_pid_stat(5), `cutime` and `cstime`, in hundredths. */
function processorTime() {
  const fields = readFileSync("/proc/self/stat", "utf8").split(") ")[1].split(" ");
  return Math.round((Number(fields[13]) + Number(fields[14])) / 100);
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

/** The first program, busybox, and the modules by which results are written. `folder` has the modules. */
function kernelFiles(files, folder, version) {
  const busybox = readFileSync([join(files, "bin/busybox"), join(files, "usr/bin/busybox")].find(existsSync));
  const entries = [["bin/busybox", busybox], ["init", readFileSync(join(root, "tests/platforms/init.sh"))]];
  const dependencies = new Map(
    readFileSync(join(folder, "modules.dep"), "utf8").trim().split("\n").map((line) => {
      const [file, rest] = line.split(":");
      return [file, rest.trim().split(" ").filter(Boolean)];
    }),
  );
  const wanted = [...dependencies.keys()].filter((file) => /\/(virtio_pci|9pnet_virtio|9p)\.ko$/.test(file));
  for (const file of new Set(wanted.flatMap((file) => [file, ...dependencies.get(file)]))) {
    entries.push([`lib/modules/${version}/${file}`, readFileSync(join(folder, file))]);
  }
  for (const name of readdirSync(folder).filter((name) => /^modules\.(dep|alias|symbols|builtin)/.test(name))) {
    entries.push([`lib/modules/${version}/${name}`, readFileSync(join(folder, name))]);
  }
  return entries;
}

/** The runtimes, their C libraries, and koffi. */
function runtimeFiles(architecture) {
  const isArm64 = architecture === "arm64";
  const file = (name) => isArm64 ? arm64Runtime(name) : join(root, "node_modules/.bin", name);
  const runtimes = ["node", "bun", "deno"].map((name) => [`bin/${name}`, file(name)]);
  const libraries = isArm64 ? arm64Libraries() : ownLibraries(runtimes.map(([, file]) => file));
  const native = `@koromix/koffi-linux-${isArm64 ? "arm64" : "x64"}`;
  const koffi = [[root, "koffi"], [isArm64 ? dirname(arm64Koffi()) : root, native]].flatMap(([folder, name]) =>
    filesBelow(join(folder, "node_modules", name)).map((file) => [
      `tests/node_modules/${name}/${file}`,
      join(folder, "node_modules", name, file),
    ])
  );
  return [...runtimes, ...libraries, ...koffi].map(([name, path]) => [name, readFileSync(path)]);
}

/** The C libraries of some programs of this machine, where they look for them. */
function ownLibraries(programs) {
  const paths = programs.flatMap((program) => must("ldd", [program]).match(/\/\S+(?= \(0x)/g));
  return [...new Set(paths)].map((path) => [path.slice(1), path]);
}

/** Those of the cross compiler. */
function arm64Libraries() {
  const folder = join(ARM64_ENVIRONMENT.QEMU_LD_PREFIX, "lib");
  const wanted = /^(ld-linux-aarch64|libc|libm|libdl|libpthread|librt|libatomic|libgcc_s|libstdc\+\+)\.so\.\d+$/;
  return readdirSync(folder).filter((name) => wanted.test(name)).map((name) => [`lib/${name}`, join(folder, name)]);
}

/** The files of a package but its sources, by their paths in it. */
function filesBelow(folder, path = "") {
  return readdirSync(join(folder, path)).filter((name) => !/^(doc|vendor|lib)$/.test(name)).flatMap((name) => {
    const below = join(path, name);
    return statSync(join(folder, below)).isDirectory() ? filesBelow(folder, below) : [below];
  });
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

/** Writes one file with the tests and the module. */
async function bundleTests(outfile) {
  const { build } = await import("esbuild");
  const contents = FILES.map((name) => `import "./tests/${name}_test.ts";`).join("\n");
  await build({
    stdin: { contents, resolveDir: root },
    outfile,
    ...{ bundle: true, format: "esm", platform: "node", external: ["koffi"], logLevel: "warning" },
  });
}

/** The command of each runtime, with its report in /out. */
function commands() {
  return Object.fromEntries(
    ["node", "koffi", "bun", "deno"].map((name) => {
      const kind = name === "koffi" ? "node" : name;
      const flags = kind === "node" ? ["--test-isolation=none"] : [];
      return [name, columnCommand(kind, `/bin/${kind}`, [BUNDLE], `/out/${name}.xml`, flags)];
    }),
  );
}

/** What the machine runs: the tests in each runtime, and when each has ended, in seconds since the machine's start. */
function script() {
  const quoted = (text) => `'${text}'`;
  const lines = Object.entries(commands()).flatMap(([name, { file, parameters }]) => [
    `export DGRAM_FFI_BINDING=${name === "koffi" ? name : ""}`,
    `${[file, ...parameters].map(quoted).join(" ")} > /out/${name}.log 2>&1`,
    `echo "${name} $(cut -d . -f 1 /proc/uptime)" >> /out/times`,
  ]);
  return [
    ...["export HOME=/tmp NO_COLOR=1", "cd /tests", "uname -a > /out/uname"],
    ...['echo "start $(cut -d . -f 1 /proc/uptime)" > /out/times', ...lines],
  ].join("\n");
}
