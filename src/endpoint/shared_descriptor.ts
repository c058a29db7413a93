/**
 * Descriptors that several processes have.
 *
 * @module
 */

/** A socket that the primary opened. All workers that asked for the same have it. */
export interface SharedDescriptor {
  readonly fd: number;
  /** Closes this worker's, and has the primary know. */
  close(): void;
}
