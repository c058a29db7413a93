/**
 * FFI bypasses a runtime's network sandbox. This is how the module respects it anyway.
 *
 * @module
 */

/** Asks the runtime whether the program may use the network. */
export interface NetworkPermission {
  /**
   * Changes when something that was permitted may no longer be. Until then answers may be remembered. {@linkcode UNCHANGING} if
   * permissions are never revoked.
   */
  readonly revision: number;
  /**
   * The error that the runtime's own network API raises for this host and port, or undefined if they are permitted.
   *
   * @param host An IP address.
   */
  refusal(host: string, port: number): Error | undefined;
  /** The same for a Unix socket's path. One that begins with NUL is abstract. */
  pathRefusal(path: string): Error | undefined;
}

/** The revision if permissions are never revoked. */
export const UNCHANGING = 0;

/** For runtimes without a network permission. */
export const UNRESTRICTED: NetworkPermission = {
  revision: UNCHANGING,
  refusal: () => undefined,
  pathRefusal: () => undefined,
};
