/**
 * FFI goes round a runtime's network sandbox. This is how the module keeps to it nevertheless.
 *
 * @module
 */

/** Asks the runtime whether the program may use the network. */
export interface NetworkPermission {
  /**
   * Another number each time that something which was permitted may be so no longer: answers may be remembered until then.
   * {@linkcode UNCHANGING} where that does not happen.
   */
  readonly revision: number;
  /**
   * The error the runtime's own network API would raise for this host and port, or undefined where it is allowed.
   *
   * @param host An IP address.
   */
  refusal(host: string, port: number): Error | undefined;
  /** The same for a Unix socket's path; one that begins with NUL is abstract. */
  pathRefusal(path: string): Error | undefined;
}

/** The revision where nothing is ever given up. */
export const UNCHANGING = 0;

/** For runtimes without a network permission. */
export const UNRESTRICTED: NetworkPermission = {
  revision: UNCHANGING,
  refusal: () => undefined,
  pathRefusal: () => undefined,
};
