/**
 * What `process.getActiveResourcesInfo()` tells of sockets: in Node each open one that is referenced is a `UDPWrap`, bound or not.
 *
 * @module
 */
import process from "../../ffi/runtimes/process.ts";

/** The name of a UDP socket in the list, as Node has it. */
const NAME = "UDPWrap";

type List = () => string[];

/** One thread's open, referenced UDP sockets. */
export class ActiveResources {
  readonly #isListed: boolean;
  #wraps = false;
  #count = 0;

  /** @param isListed Whether the runtime's own sockets are in the list. */
  constructor(isListed: boolean) {
    this.#isListed = isListed;
  }

  /** One more. */
  add(): void {
    this.#count++;
    if (this.#isListed && !this.#wraps) this.#wrap();
  }

  /** One less. */
  remove(): void {
    this.#count--;
  }

  /** Adds the sockets to the runtime's list. Once: whoever wraps the function later keeps what is here. */
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
