// @ts-self-types="./mod.d.ts"
// Deno's @std/assert, from the npm registry: JSR may be out of reach where the tests run.
export {
  assert,
  assertEquals,
  assertInstanceOf,
  AssertionError,
  assertMatch,
  assertNotEquals,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
  assertThrows,
  fail,
} from "deno-std/assert/mod.js";
