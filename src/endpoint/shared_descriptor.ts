/**
 * Descriptors that several processes have.
 *
 * @module
 */

/**
 * A socket that another process has opened: the primary of a cluster, for all workers that ask for the same, or a
 * parent.
 */
export interface SharedDescriptor {
  readonly fd: number;
  /** Closes this process's descriptor, and notifies the process that opened it. */
  close(): void;
}
