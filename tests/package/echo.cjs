// What every consumer does with the package: a datagram to an echo server and back, over IPv4 and IPv6.
exports.exchange = (createSocket) => {
  for (const [type, loopback] of [["udp4", "127.0.0.1"], ["udp6", "::1"]]) {
    const server = createSocket(type, (message, { port, address }) => server.send(message, port, address));
    server.bind(0, loopback, () => {
      const client = createSocket(type, (message) => {
        console.log(`${message} over ${type}`);
        client.close();
        server.close();
      });
      client.send("hello", server.address().port, loopback);
    });
  }
};
