/**
 * How a value says what the runtime's console and `util.inspect` print of it.
 *
 * @module
 */

/** Prints a value. */
type Inspect = (value: unknown, options?: object) => string;

/** The keys under which runtimes look for a method that prints: Node's, which Bun heeds, and Deno's own. */
const KEYS = [Symbol.for("nodejs.util.inspect.custom"), Symbol.for("Deno.customInspect")];

/**
 * Has the objects of a class printed as a name and properties.
 *
 * @param describe The properties of one object.
 */
export function makeInspectable<Instance extends object>(
  prototype: Instance,
  name: string,
  describe: (object: Instance) => object,
): void {
  // Node and Bun call it with (depth, options, inspect), Deno with (inspect, options).
  const value = function (this: Instance, ...args: readonly unknown[]): string {
    const inspect = args.find((arg) => typeof arg === "function") as Inspect | undefined;
    const options = args.find((arg) => arg !== null && typeof arg === "object") as object | undefined;
    const isTooDeep = typeof args[0] === "number" && args[0] < 0;
    if (!inspect || isTooDeep) return `[${name}]`;
    return `${name} ${inspect(describe(this), options)}`;
  };
  for (const key of KEYS) Object.defineProperty(prototype, key, { value, configurable: true, writable: true });
}
