/**
 * Two hosts with a router between them: `a` is on the first link, `b` on the second, whose MTU is smaller.
 *
 * @module
 */
import type { Agent } from "./agent.ts";
import type { Tools } from "./harness.ts";
import { type Host, Network } from "./namespaces.ts";

/** The MTU of the second link. */
export const SMALLER_MTU = 1400;

/** Three hosts in a row. */
export type Routed = { readonly a: Host; readonly router: Host; readonly b: Host };

/** Makes them, without agents. */
export function routedNetwork(tools: Tools): Routed {
  const network = new Network(tools);
  const [a, router, b] = [network.host("a"), network.host("r"), network.host("b")];
  network.link(a, router);
  network.link(router, b);
  // Routers answer at once, and each time.
  for (
    const setting of [
      "ipv4/ip_forward 1",
      "ipv6/conf/all/forwarding 1",
      "ipv4/icmp_ratelimit 0",
      "ipv6/icmp/ratelimit 0",
    ]
  ) {
    const [file, value] = setting.split(" ");
    router.run("sh", "-c", `echo ${value} > /proc/sys/net/${file}`);
  }
  router.ip(`link set veth1 mtu ${SMALLER_MTU}`);
  b.ip(`link set veth1 mtu ${SMALLER_MTU}`);
  a.ip("route add 10.77.1.0/24 via 10.77.0.2", "route add fd77:71::/64 via fd77:70::2");
  b.ip("route add 10.77.0.0/24 via 10.77.1.1", "route add fd77:70::/64 via fd77:71::1");
  return { a, router, b };
}

/** The two hosts, with an agent each. */
export async function routedHosts(tools: Tools): Promise<{ a: Agent; b: Agent; hosts: Routed }> {
  const hosts = routedNetwork(tools);
  const [a, b] = await Promise.all([hosts.a.agent(), hosts.b.agent()]);
  return { a, b, hosts };
}
