/**
 * Small things that many tests use.
 *
 * @module
 */

/** An error of a system call, as Node makes them. */
export type SystemError = Error & {
  code: string;
  errno: number;
  syscall: string;
  address?: string;
  port?: number;
  /** Of `sendMany`: which message it was. */
  index: number;
};

/** A name resolver, as the option `lookup` takes it. */
export type Lookup = (
  hostname: string,
  options: unknown,
  callback: (error: Error | null, ip: string, family: number) => void,
) => void;

/** As many texts, all different. */
export const numbered = (count: number): string[] => Array.from({ length: count }, (_, i) => `message ${i}`);

/** The texts of datagrams. */
export const textsOf = (received: readonly { text: string }[]): string[] => received.map(({ text }) => text);
