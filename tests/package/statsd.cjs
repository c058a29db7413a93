// hot-shots asks for unix-dgram, and the project calls this package so.
const { createSocket } = require("unix-dgram");
const { StatsD } = require("hot-shots");

const agent = createSocket({ type: "unix_dgram", unlinkOnClose: true }, (message) => {
  console.log(String(message));
  agent.close();
});
agent.bind("./dsd.sock", () => {
  const client = new StatsD({ protocol: "uds", path: "./dsd.sock" });
  client.increment("requests", () => client.close());
});
