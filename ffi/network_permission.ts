/**
 * FFI goes round a runtime's network sandbox. This is how the module keeps to it nevertheless.
 *
 * @module
 */

/** Asks the runtime whether the program may use the network. */
export interface NetworkPermission {
  /**
   * The error the runtime's own network API would raise for this host and port, or undefined where it is allowed.
   *
   * @param host An IP address.
   */
  refusal(host: string, port: number): Error | undefined;
  /** The same for a Unix socket's path; one that begins with NUL is abstract. */
  pathRefusal(path: string): Error | undefined;
}

/** For runtimes without a network permission. */
export const UNRESTRICTED: NetworkPermission = { refusal: () => undefined, pathRefusal: () => undefined };
