/**
 * Which tests judge the mutants of which folder. They need no socket, so that thousands of mutants take minutes.
 *
 * @module
 */

const CODECS = ["wire_codec", "abi_darwin", "control", "inet", "sockaddr_un", "route"];

/** The folders that can be mutated, by the name that the command line takes, and the tests of each: names without `_test.ts`. */
export const ROOMS = {
  sending: { folder: "src/sending", tests: ["outbox", "sender", "send_callbacks", "send_controls", "send_arguments"] },
  receiving: { folder: "src/receiving", tests: ["receiver", "error_receiver", "details"] },
  loop: { folder: "src/loop", tests: ["poll_loop", "spin", "active_resources"] },
  wire: { folder: "ffi/wire", tests: [...CODECS, "sender", "receiver"] },
};
