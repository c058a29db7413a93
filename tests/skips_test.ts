/**
 * Which tests may be skipped where the machine is said to have all that tests need.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { isRequired, test } from "./support/harness.ts";

test("with REQUIRE_ALL=1 what the machine lacks is no reason to skip a test; the runtime and the system are", () => {
  for (const lack of ["tcpdump is not installed", "network namespaces need root", "there is no C compiler (cc)"]) {
    assertEquals([isRequired(lack, "1"), isRequired(lack, "")], [true, false], lack);
  }
  for (const allowed of [undefined, "Node has no Web Workers", "macOS has no epoll", "there is no uv.h"]) {
    assertEquals(isRequired(allowed, "1"), false, allowed);
  }
});
