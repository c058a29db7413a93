/**
 * Node's tests that reach into Node's internals (a handle, `internal/dgram`, a binding, the hooks of its test folder), and which of this
 * project's tests check the same behaviour. `conformance_test.ts` checks that these exist.
 */
export const COVERED = {
  "parallel/test-cluster-dgram-bind-fd": [
    "node_internals_test.ts: bind({ fd }) in a cluster worker means a descriptor of the primary's",
    "node_internals_test.ts: a descriptor that the primary cannot share is the 'error' of bind({ fd })",
  ],
  "parallel/test-dgram-bind-fd": [
    "adoption_test.ts: bind({ fd }) takes over a bound socket: its address, its datagrams, its end",
    "node_internals_test.ts: a taken over descriptor gets the buffer sizes of the options",
  ],
  "parallel/test-dgram-bind-fd-error": [
    "node_internals_test.ts: the descriptor of another socket is EEXIST, and that one goes on",
    "adoption_test.ts: bind({ fd }) refuses a descriptor of kind tcp6, which stays open",
  ],
  "parallel/test-dgram-close": [
    "close_test.ts: send() and close() on an unbound socket: the message leaves, then the socket closes",
    "close_test.ts: close()'s callback is a listener of 'close' behind the others",
  ],
  "parallel/test-dgram-close-during-bind": [
    "node_internals_test.ts: a socket that is closed during bind()'s lookup is not bound by its answer",
    "close_test.ts: close() during the lookup of bind() or connect() ends it",
  ],
  "parallel/test-dgram-cluster-bind-error": [
    "node_internals_test.ts: an error of the cluster's primary is the 'error' of bind(), which can be repeated",
  ],
  "parallel/test-dgram-create-socket-handle": [
    "node_internals_test.ts: a socket of the primary's works, until the cluster takes it away",
  ],
  "parallel/test-dgram-create-socket-handle-fd": [
    "node_internals_test.ts: bind({ fd }) in a cluster worker means a descriptor of the primary's",
    "adoption_test.ts: bind({ fd }) refuses a descriptor of kind tcp4, which stays open",
  ],
  "parallel/test-dgram-recv-error": [
    "node_internals_test.ts: an error of receiving is an 'error' of recvmsg, and no message comes",
  ],
  "parallel/test-dgram-send-error": [
    "send_test.ts: an error of a lookup that answers at once is 'error' without a callback",
    "send_test.ts: an error of a lookup that answers at once goes to the callback",
    "node_internals_test.ts: an error of sending tells the call, its code, the address and the port",
  ],
  "parallel/test-dgram-socket-buffer-size": [
    "node_internals_test.ts: the error of a buffer size is a SystemError to the reader",
    "arguments_test.ts: a failed buffer size call says so in its error's info",
  ],
  "sequential/test-dgram-implicit-bind-failure": [
    "node_internals_test.ts: a send() whose implicit bind fails is dropped, and the next one binds anew",
  ],
  "async-hooks/test-udpsendwrap": [
    "node_internals_test.ts: a message that waits for room is a UDPSENDWRAP to async_hooks, which its callback runs in",
    "send_test.ts: callbacks run in the asynchronous context of their send()",
  ],
  "async-hooks/test-udpwrap": [
    "node_internals_test.ts: a socket is a UDPWRAP to async_hooks, until it is closed",
    "send_test.ts: 'message' listeners run in the asynchronous context in which the socket was made",
  ],
};
