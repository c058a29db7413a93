/**
 * Where this module differs from Node on purpose: each difference with its reason.
 *
 * A difference is a rule that turns what Node does into what this module does. Outcomes agree if they are equal after all rules
 * for that scenario; so a rule explains no more than it says.
 *
 * @module
 */
import type { RuntimeName } from "../runtime.ts";

/** One difference. */
export interface Difference {
  readonly reason: string;
  /** The scenarios it shows in, by name. */
  readonly where: RegExp;
  /** What Node's outcome has, and what ours has in its place. */
  readonly node: RegExp;
  readonly ours: string;
  /** To be replaced in our outcome, too: it may be there or not. */
  readonly inBoth?: boolean;
}

const NOT_RUNNING = 'Error ERR_SOCKET_DGRAM_NOT_RUNNING "Not running"';
const NULL_HANDLE = /TypeError "Cannot read properties of null \(reading '\w+'\)"/g;

const CLOSED_BEFORE_CONNECT = /^(?:(?!connect\().)*clos.*connect\(/;

/** All. */
export const DIFFERENCES: readonly Difference[] = [
  {
    reason: "setters say that they succeeded, as JSRE has it; in Node they return nothing",
    where: /Membership|setBroadcast|setMulticastInterface|BufferSize/,
    node:
      /\b((?:add|drop)(?:SourceSpecific)?Membership|set(?:Broadcast|MulticastInterface|\w+BufferSize)) returned undefined/g,
    ours: "$1 returned true",
  },
  {
    reason: "a method on a closed socket says so, where Node trips over its own null",
    where: /clos|signal/,
    node: NULL_HANDLE,
    ours: NOT_RUNNING,
  },
  {
    reason: "connect() on a closed socket fails at once, also where Node puts it in a queue that nothing empties",
    where: CLOSED_BEFORE_CONNECT,
    node: /connect returned undefined/,
    ours: `connect threw ${NOT_RUNNING}`,
  },
  {
    reason: "and so does a second one, which Node takes for connected",
    where: CLOSED_BEFORE_CONNECT,
    node: /connect threw Error ERR_SOCKET_DGRAM_IS_CONNECTED "[^"]+"/g,
    ours: `connect threw ${NOT_RUNNING}`,
  },
  {
    reason: "and then leaves no listeners behind",
    where: /clos.*connect\(/,
    node: / \| leaves listeners(?: "\w+")+/,
    ours: "",
    inBoth: true,
  },
  {
    reason: "what was sent in the turn of close() still leaves; Node drops it",
    where: /send\(.*close\(/,
    node: / \| peer received "\w+"/g,
    ours: "",
    inBoth: true,
  },
  {
    reason: "what was sent before connectSync() goes where it was to go, though the kernel gets it after",
    where: /bound: send\(.*connectSync\(/,
    node: /callback 1 Error .*? port=<peer>(.*)$/,
    ours: 'callback 1 null 1$1 | peer received "x"',
  },
  {
    reason:
      "the queue's figures count what waits for the end of the turn; in Node that is with the resolver and not counted",
    where: /send\(.*getSendQueueSize\(\); getSendQueueCount\(\)/,
    node: /(getSendQueue\w+) returned 0/g,
    ours: "$1 returned 1",
  },
  {
    reason: "an interface may be given by its name",
    where: /(setMulticastInterface|addMembership)\((group, )?"lo"\)/,
    node: /threw Error "\w+ EINVAL" errno=-22 code="EINVAL" syscall="\w+"/,
    ours: "returned true",
  },
  {
    reason: "and can then be left, if it was joined",
    where: /dropMembership\(group, "lo"\)/,
    node: /EINVAL" errno=-22 code="EINVAL"/,
    ours: 'EADDRNOTAVAIL" errno=-99 code="EADDRNOTAVAIL"',
  },
  {
    reason: "a membership that is refused for its interface leaves an unbound socket unbound; Node binds it first",
    where:
      /unbound: \w+Membership\((?:(?:group|loopback, ssmGroup), otherI|(?:otherGroup|otherFamily, otherSsmGroup), loI)/,
    node: /(ends as udp[46]) "[^"]+" <port>/,
    ours: '$1 "EBADF"',
  },
  {
    reason: "an IPv6 socket that joins an IPv4 group is bound as what it is, and hears both; in Node it becomes IPv4",
    where: /udp6 unbound: \w+Membership\((?:otherGroup|otherFamily, otherSsmGroup)(?:, otherInterface)?\)/,
    node: /ends as udp6 "0\.0\.0\.0"/,
    ours: 'ends as udp6 "::"',
  },
  {
    reason: "an IPv4 socket that is to join an IPv6 group is bound as what it is, and cannot; in Node it becomes IPv6",
    where: /udp4 unbound: \w+Membership\((?:otherGroup|otherFamily, otherSsmGroup)(?:, otherInterface)?\)/,
    node: /^(\w+) (?:returned true|threw Error "[^"]+" errno=\S+ code="\w+" syscall="\w+")(.* ends as udp4) "::"/,
    ours: '$1 threw Error "$1 ENOPROTOOPT" errno=-92 code="ENOPROTOOPT" syscall="$1"$2 "0.0.0.0"',
  },
];

const LISTENER = `The "listener" argument must be of type function. Received type string ('no function')`;

/** What the runtimes themselves, their engines and their EventEmitter, say in other words than Node 26. */
const WORDING: Readonly<Partial<Record<RuntimeName, readonly (readonly [string, string])[]>>> = {
  deno: [[' name="TypeError" toString=function', ""]],
  bun: [
    ["Cannot convert a symbol to", "Cannot convert a Symbol value to"],
    ["BigInt does not support >>> operator", "Cannot mix BigInt and other types, use explicit conversions"],
    [`TypeError [ERR_INVALID_ARG_TYPE]: ${LISTENER}`, `ERR_INVALID_ARG_TYPE ${JSON.stringify(LISTENER)}`],
  ],
};

/** An outcome with the runtime's own words in Node's. */
export function inNodesWords(runtime: RuntimeName, outcome: string): string {
  return (WORDING[runtime] ?? []).reduce((text, [words, nodes]) => text.replaceAll(words, nodes), outcome);
}

/** An outcome of each side that is the same if they agree. @param used Gets the rules that changed something. */
export function comparable(
  name: string,
  node: string,
  ours: string,
  used: Set<Difference>,
): { readonly node: string; readonly ours: string } {
  const outcomes = { node, ours };
  for (const difference of DIFFERENCES.filter(({ where }) => where.test(name))) {
    const changed = outcomes.node.replace(difference.node, difference.ours);
    if (changed !== outcomes.node) used.add(difference);
    outcomes.node = changed;
    if (!difference.inBoth) continue;
    const ownChanged = outcomes.ours.replace(difference.node, difference.ours);
    if (ownChanged !== outcomes.ours) used.add(difference);
    outcomes.ours = ownChanged;
  }
  return outcomes;
}
