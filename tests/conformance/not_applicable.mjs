/**
 * Which of Node's tests cannot pass in which runtime, whatever a `dgram` module does, and why. One that passes all the same counts as
 * passed.
 */
export const NOT_APPLICABLE = [
  {
    runtimes: ["deno"],
    tests: [
      "parallel/test-cluster-dgram-1.js",
      "parallel/test-cluster-dgram-2.js",
      "parallel/test-cluster-dgram-bind-fd.js",
      "parallel/test-cluster-disconnect-unshared-udp.js",
      "parallel/test-dgram-exclusive-implicit-bind.js",
    ],
    reason: "Deno's `node:cluster` shares no UDP sockets: the primary answers ENOTSUP (`cluster_sharing.cjs` asks it)",
    // They would wait for the cluster until the time is over.
    never: true,
  },
  {
    runtimes: ["bun"],
    tests: ["parallel/test-child-process-fork-dgram.js"],
    reason: "Bun's `child.send()` sends native sockets of Bun's own only",
    ours: true,
  },
  {
    runtimes: ["bun", "deno"],
    tests: ["parallel/test-permission-net-udp.js"],
    reason: "the permission model is Node's; Deno's own permissions are checked by `permissions_test.ts`",
  },
  {
    runtimes: ["bun"],
    tests: ["internet/test-dgram-multicast-set-interface-lo.js"],
    reason: "Bun does not parse the test: it returns outside of a function",
  },
  {
    runtimes: ["deno"],
    tests: [
      "parallel/test-dgram-bind-fd.js",
      "parallel/test-dgram-create-socket-handle.js",
      "parallel/test-dgram-create-socket-handle-fd.js",
    ],
    reason: "the test makes its descriptors by Node's `udp_wrap` and `tcp_wrap`, whose handles have no `fd` in Deno",
  },
];
