/** Those of Node's tests that must pass with this module on every runtime, whatever else a version of them does. CI runs them. */
export const REQUIRED = [
  "parallel/test-dgram-address.js",
  "parallel/test-dgram-bind.js",
  "parallel/test-dgram-connect-send-callback-buffer.js",
  "parallel/test-dgram-connect.js",
  "parallel/test-dgram-membership.js",
  "parallel/test-dgram-msgsize.js",
  "parallel/test-dgram-ref.js",
  "parallel/test-dgram-send-address-types.js",
  "parallel/test-dgram-send-bad-arguments.js",
  "parallel/test-dgram-send-callback-recursive.js",
  "parallel/test-dgram-send-empty-buffer.js",
  "parallel/test-dgram-send-empty-packet.js",
  "parallel/test-dgram-sendto.js",
  "parallel/test-dgram-setTTL.js",
  "parallel/test-dgram-socket-buffer-size.js",
  "parallel/test-dgram-unref.js",
];
