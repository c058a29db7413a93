/**
 * Picks the ABI of the system this code runs on.
 *
 * @module
 */
import type { Abi } from "./abi/abi.ts";
import { DARWIN } from "./abi/darwin.ts";
import { linuxAbi } from "./abi/linux.ts";
import process from "./runtimes/process.ts";

/** The systems with an ABI here, for error messages. */
export const SUPPORTED_SYSTEMS = "Linux and macOS on x64 and arm64";

/**
 * The ABI of a platform and architecture as `process.platform` and `process.arch` name them.
 *
 * @returns The ABI, or undefined if this module has none.
 */
export function abiOf(platform: string = process.platform, arch: string = process.arch): Abi | undefined {
  if (arch !== "x64" && arch !== "arm64") return undefined;
  if (platform === "linux") return linuxAbi(arch);
  if (platform === "darwin") return DARWIN;
  return undefined;
}
