/**
 * Mutants that no test can notice, or none should, with the reason. Each is found by its file and what it changes.
 *
 * @module
 */

/** The list. */
export const EQUIVALENT = [];
