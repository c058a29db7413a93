/**
 * All that is attacked with made-up input.
 *
 * @module
 */
import { addresses, texts } from "./addresses.ts";
import { controls, slots } from "./controls.ts";
import { faults } from "./faults.ts";
import { filters } from "./filters.ts";
import { likeNode, methods } from "./methods.ts";
import type { Subject } from "./subject.ts";

/** All subjects. */
export const SUBJECTS: readonly Subject[] = [controls, slots, addresses, texts, filters, ...methods, likeNode, faults];
