/**
 * Sockets in `process.getActiveResourcesInfo()`: Node lists each open, referenced socket as a `UDPWrap`, bound or not.
 *
 * @module
 */
import process from "../../ffi/runtimes/process.ts";

/** Node's name of a UDP socket in the list. */
const NAME = "UDPWrap";

type List = () => string[];

/** One thread's open, referenced UDP sockets. */
export class ActiveResources {
  readonly #isListed: boolean;
  #wraps = false;
  #count = 0;

  /** @param isListed Whether the runtime lists its own sockets. */
  constructor(isListed: boolean) {
    this.#isListed = isListed;
  }

  /** Counts one more socket. */
  add(): void {
    this.#count++;
    if (this.#isListed && !this.#wraps) this.#wrap();
  }

  /** Counts one socket less. */
  remove(): void {
    this.#count--;
  }

  /** Wraps the runtime's function, once: someone else may wrap it later. */
  #wrap(): void {
    this.#wraps = true;
    const own = Object.getOwnPropertyDescriptor(process, "getActiveResourcesInfo");
    if (typeof own?.value !== "function" || !own.configurable) return;
    const list = own.value as List;
    const getActiveResourcesInfo = (): string[] => [
      ...list.call(process),
      ...Array.from({ length: this.#count }, () => NAME),
    ];
    Object.defineProperty(process, "getActiveResourcesInfo", { ...own, value: getActiveResourcesInfo });
  }
}
