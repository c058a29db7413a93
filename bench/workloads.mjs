/**
 * What is measured. A workload is a script (workloads/*.ts), the part that a C program plays, and the contenders.
 *
 * Patterns: `send` to a C program that receives; `receive` from a C program that sends; `ask` a C program that echoes;
 * `serve` a C program's clients; `alone`.
 */

/** A module's contenders in each runtime. */
const ours = { name: "dgram-ffi", module: "ours" };
const builtin = { name: "node:dgram", module: "builtin" };
const both = [ours, builtin];

const bunSocket = { name: "Bun.udpSocket", module: "none", script: "bun_udp_socket", only: "bun" };
const denoSocket = { name: "Deno.listenDatagram", module: "none", script: "deno_datagram", only: "deno" };

/** The limit: what a C program does in the contender's place. */
const cSegments = { name: "C, UDP_SEGMENT", segments: 64 };
/** As many as newer kernels take, and as this module gives them. */
const cMoreSegments = { name: "C, UDP_SEGMENT, 128", segments: 128 };
const cSend = { name: "C, sendmmsg", segments: 1 };
const cGro = { name: "C, UDP_GRO", offload: 1 };
const cReceive = { name: "C, recvmmsg", offload: 0 };
const c = { name: "C", offload: 0 };

/** 256 sizes of which hardly two neighbours are alike, the same in every run. */
const mixedSizes = Array.from({ length: 256 }, (_, i) => 64 + (i * 167 + (i * i) % 101 * 7) % 1137);

const bulkSend = {
  pattern: "send",
  script: "send",
  contenders: [...both, { name: "dgram-ffi, sendMany", module: "ours", script: "send_many" }, bunSocket, denoSocket],
  limits: [cSegments, cMoreSegments, cSend],
};

/** What no kernel can put together. */
const scatteredSend = { ...bulkSend, contenders: [...both, bunSocket, denoSocket], limits: [cSend] };

const bulkReceive = {
  pattern: "receive",
  script: "receive",
  contenders: [
    ...both,
    { name: "dgram-ffi, 'messages'", module: "ours", script: "receive_batch" },
    bunSocket,
    denoSocket,
  ],
  limits: [cGro, cReceive],
};

/** What most programs do: one message now and then. */
const single = {
  pattern: "send",
  script: "send",
  sizes: [64],
  wave: 1,
  contenders: both,
  limits: [cSend],
};

const plainReceive = {
  pattern: "receive",
  script: "receive",
  segments: 1,
  contenders: both,
  limits: [cReceive],
};

const asking = {
  pattern: "ask",
  script: "ask",
  sizes: [64],
  contenders: both,
  limits: [],
};

export const workloads = {
  send64: {
    title: "bulk send(), 64 bytes, one peer",
    ...bulkSend,
    sizes: [64],
  },
  send1200: {
    title: "bulk send(), 1200 bytes, one peer",
    ...bulkSend,
    sizes: [1200],
  },
  peers: {
    title: "bulk send(), 64 bytes, 1,000 peers in turn",
    ...scatteredSend,
    sizes: [64],
    peers: 1000,
  },
  mixed: {
    title: "bulk send(), sizes from 64 to 1200 bytes in turn, one peer",
    ...scatteredSend,
    sizes: mixedSizes,
  },
  receive64: {
    title: "bulk receive, 64 bytes, from a sender with UDP_SEGMENT",
    ...bulkReceive,
    sizes: [64],
    segments: 64,
  },
  receive1200: {
    title: "bulk receive, 1200 bytes, from a sender with UDP_SEGMENT",
    ...bulkReceive,
    sizes: [1200],
    segments: 64,
  },
  receivePlain: {
    title: "bulk receive, 64 bytes, from a sender without offload",
    ...bulkReceive,
    sizes: [64],
    segments: 1,
  },
  forward: {
    title: "forwarding, 64 bytes, from a sender with UDP_SEGMENT to one peer",
    pattern: "forward",
    script: "forward",
    sizes: [64],
    segments: 64,
    contenders: [...both, { name: "dgram-ffi, batches", module: "ours", script: "forward_batch" }],
    limits: [],
  },
  told64: {
    title: "bulk receive, 64 bytes, told nothing or everything of each datagram",
    pattern: "receive",
    script: "receive",
    sizes: [64],
    segments: 64,
    contenders: [
      ours,
      { name: "dgram-ffi, told everything", module: "ours", told: true },
      { name: "dgram-ffi, 'messages'", module: "ours", script: "receive_batch" },
      { name: "dgram-ffi, 'messages', told everything", module: "ours", script: "receive_batch", told: true },
    ],
    limits: [],
  },
  toldPlain: {
    title: "bulk receive, 64 bytes, told nothing or everything of each, from a sender without offload",
    pattern: "receive",
    script: "receive",
    sizes: [64],
    segments: 1,
    contenders: [ours, { name: "dgram-ffi, told everything", module: "ours", told: true }],
    limits: [],
  },
  roundTrip: {
    title: "round trip, 64 bytes, one at a time",
    pattern: "ask",
    script: "round_trip",
    sizes: [64],
    contenders: both,
    limits: [c],
  },
  echo: {
    title: "echo server, 64 clients",
    pattern: "serve",
    script: "echo",
    sizes: [64],
    clients: 64,
    contenders: both,
    limits: [c],
  },
  cores: {
    title: "echo server of Workers on one port, 64 clients",
    pattern: "serve",
    script: "cores",
    sizes: [64],
    clients: 64,
    contenders: [1, 2].map((workers) => ({ name: `dgram-ffi, ${workers} Workers`, module: "none", workers })),
    limits: [],
  },
  idle: {
    title: "10,000 sockets: making them, and their memory",
    pattern: "alone",
    script: "idle",
    idle: 10_000,
    contenders: both,
    limits: [],
  },
  wake10: {
    title: "round trip beside 10 idle sockets",
    pattern: "ask",
    script: "round_trip",
    sizes: [64],
    idle: 10,
    contenders: both,
    limits: [],
  },
  wake10000: {
    title: "round trip beside 10,000 idle sockets",
    pattern: "ask",
    script: "round_trip",
    sizes: [64],
    idle: 10_000,
    contenders: both,
    limits: [],
  },
  perMessage8: {
    title: "a socket for each message, 8 at a time: createSocket(), send() with a callback, close()",
    pattern: "send",
    script: "socket_per_message",
    sizes: [64],
    peers: 8,
    contenders: both,
    limits: [],
  },
  perMessage: {
    title: "a socket for each message, one at a time",
    pattern: "send",
    script: "socket_per_message",
    sizes: [64],
    contenders: both,
    limits: [],
  },
  bindClose: {
    title: "createSocket(), bind(), close(), one at a time",
    pattern: "alone",
    script: "bind_close",
    contenders: both,
    limits: [],
  },
  sendOne: {
    title: "one send() with a callback a turn, to an address",
    ...single,
  },
  sendOneConnected: {
    title: "one send() with a callback a turn, connected",
    ...single,
    connected: true,
  },
  sendAwaited: {
    title: "one awaited send() after the other",
    ...single,
    script: "send_awaited",
  },
  sendSockets: {
    title: "100 sockets, 4 messages each a turn",
    ...single,
    wave: 4,
    sockets: 100,
  },
  sendLarge: {
    title: "60,000-byte messages, 8 a turn",
    ...single,
    sizes: [60_000],
    wave: 8,
  },
  sendLinkLocal: {
    title: "send() to a link-local address with its zone",
    pattern: "link",
    script: "send_link_local",
    sizes: [64],
    contenders: both,
    limits: [],
  },
  sendControls: {
    title: "send() on a connected udp6 socket, with { ecn: 1 } or without",
    pattern: "send",
    script: "send_controls",
    sizes: [64],
    contenders: [ours, { name: "dgram-ffi, { ecn: 1 }", module: "ours", told: true }, builtin],
    limits: [],
  },
  receiveLarge: {
    title: "receive 60,000-byte messages",
    ...plainReceive,
    sizes: [60_000],
  },
  receive8192: {
    title: "receive 8,192-byte messages",
    ...plainReceive,
    sizes: [8192],
  },
  askSockets: {
    title: "32 sockets, each asks an echo server again and again",
    ...asking,
    sockets: 32,
    wave: 1,
  },
  askMany: {
    title: "32 questions under way on one socket",
    ...asking,
    wave: 32,
  },
  askOnce: {
    title: 'await once(socket, "message") after each question',
    ...asking,
    script: "ask_once",
  },
  paced200: {
    title: "200 messages a second each way",
    ...asking,
    script: "paced",
    pace: 200,
    times: { window: 3000 },
  },
  paced1000: {
    title: "1,000 messages a second each way",
    ...asking,
    script: "paced",
    pace: 1000,
    times: { window: 3000 },
  },
  wake2000: {
    title: "wake-up of one among 2,000 sockets, same process",
    pattern: "alone",
    script: "wake",
    sizes: [64],
    sockets: 2000,
    contenders: both,
    limits: [],
  },
  start: {
    title: "cold process: import and first message",
    pattern: "alone",
    script: "start",
    contenders: both,
    limits: [],
  },
};
