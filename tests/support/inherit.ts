/**
 * Descriptors made by another program: Perl makes one, and becomes a fixture that inherits it.
 *
 * @module
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { commandFor, fixture } from "./runtime.ts";

/** Why it cannot be done here; undefined: it can. */
export const noPerl: string | undefined = spawnSync("perl", ["-MSocket=inet_pton", "-e", "1"]).status === 0
  ? undefined
  : "no perl with its Socket module to make descriptors for other processes";

/** The number it has there: none that a runtime's own files or threads come to have when it is free. */
const NUMBER = 100;

/** `$^F` keeps Perl from marking descriptors close-on-exec. Prints nothing: standard output is the fixture's. */
const PRELUDE = `use POSIX qw(dup2); use Socket qw(:DEFAULT inet_pton pack_sockaddr_in6); $^F = 255; my $s; my $other;
sub udp4 { socket($s, PF_INET, SOCK_DGRAM, 0) or die $! }
sub udp6 { socket($s, PF_INET6, SOCK_DGRAM, 0) or die $! }
sub at4 { pack_sockaddr_in($_[0], inet_aton("127.0.0.1")) }
sub at6 { pack_sockaddr_in6($_[0], inet_pton(AF_INET6, "::1")) }
`;

/** Perl statements that put a descriptor into `$s`. `PORT` stands for a port. */
export const DESCRIPTORS = {
  "udp4 bound": "udp4; bind($s, at4(0)) or die $!;",
  "udp6 bound": "udp6; bind($s, at6(0)) or die $!;",
  "udp4 unbound": "udp4;",
  "udp6 unbound": "udp6;",
  "udp4 connected": "udp4; connect($s, at4(PORT)) or die $!;",
  "udp6 connected": "udp6; connect($s, at6(PORT)) or die $!;",
  tcp4: "socket($s, PF_INET, SOCK_STREAM, 0) or die $!;",
  tcp6: "socket($s, PF_INET6, SOCK_STREAM, 0) or die $!;",
  "unix stream": "socket($s, PF_UNIX, SOCK_STREAM, 0) or die $!;",
  "unix datagram": "socket($s, PF_UNIX, SOCK_DGRAM, 0) or die $!;",
  pipe: "pipe($s, $other) or die $!;",
  file: 'open($s, "<", "/etc/passwd") or die $!;',
} as const;

/** A kind of descriptor. */
export type DescriptorKind = keyof typeof DESCRIPTORS;

/** Starts a fixture with a descriptor of that kind; its number is the last argument. @param fd That number; 0: standard input. */
export function startWithDescriptor(
  kind: DescriptorKind,
  name: string,
  args: readonly string[] = [],
  port = 0,
  fd: number = NUMBER,
): ChildProcess {
  const renumbered = `dup2(fileno($s), ${fd}) // die $!; close($s);`;
  const made = DESCRIPTORS[kind].replace("PORT", String(port));
  const program = `${PRELUDE}${made} ${renumbered} exec @ARGV, ${fd} or die $!;`;
  return spawn("perl", ["-e", program, "--", ...commandFor(fixture(name), args)], { stdio: ["pipe", "pipe", "pipe"] });
}
