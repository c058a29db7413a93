/**
 * SNMP sessions that walk a table of an agent (GetBulk, 20 rows a request).
 *
 * @module
 */
import { createRequire } from "node:module";
import { asking, type Dgram, type Figures, LOOPBACK, measure, type Options } from "../../support.ts";

interface Mib {
  registerProvider(provider: object): void;
  addTableRow(table: string, row: readonly unknown[]): void;
}

interface Session {
  walk(
    oid: string,
    rows: number,
    feed: (varbinds: readonly unknown[]) => void,
    done: (error: Error | null) => void,
  ): void;
}

interface Snmp {
  readonly Version2c: number;
  readonly MibProviderType: { readonly Table: number };
  readonly ObjectType: { readonly Integer: number; readonly OctetString: number };
  readonly MaxAccess: Record<string, number>;
  createAgent(options: object, callback: (error: Error | null) => void): {
    getMib(): Mib;
    readonly listener: { readonly sockets: Record<string, { address(): { port: number } }> };
  };
  createSession(host: string, community: string, options: object): Session;
}

// The package has no types, and knows only require.
const snmp = createRequire(import.meta.url)("net-snmp") as Snmp;

const TABLE = "1.3.6.1.2.1.2.2.1";
const ROWS = 100;

export default async function netSnmp(_: Dgram, options: Options): Promise<Figures> {
  const agent = snmp.createAgent({ port: 0, address: LOOPBACK, disableAuthorization: true }, (error) => {
    if (error) throw error;
  });
  fill(agent.getMib());
  const port = await portOf(agent.listener.sockets);
  const sessions = Array.from(
    { length: options.wave },
    () => snmp.createSession(LOOPBACK, "public", { port, version: snmp.Version2c }),
  );
  const rows = asking(sessions.length, (i) => walk(sessions[i]));
  return await measure(options, rows);
}

/** A table of interfaces, two columns wide. */
function fill(mib: Mib): void {
  const { ObjectType, MaxAccess, MibProviderType } = snmp;
  mib.registerProvider({
    name: "interfaces",
    type: MibProviderType.Table,
    oid: TABLE,
    maxAccess: MaxAccess["not-accessible"],
    tableColumns: [
      { number: 1, name: "index", type: ObjectType.Integer, maxAccess: MaxAccess["read-only"] },
      { number: 2, name: "name", type: ObjectType.OctetString, maxAccess: MaxAccess["read-only"] },
    ],
    tableIndex: [{ columnName: "index" }],
  });
  for (let i = 1; i <= ROWS / 2; i++) mib.addTableRow("interfaces", [i, `eth${i}`]);
}

/** The agent's port, once it has one. */
async function portOf(sockets: Record<string, { address(): { port: number } }>): Promise<number> {
  for (;;) {
    try {
      return Object.values(sockets)[0].address().port;
    } catch {
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}

/** One walk: how many rows it found. */
function walk(session: Session): Promise<number> {
  return new Promise((resolve, reject) => {
    let rows = 0;
    const done = (error: Error | null): void => {
      if (error) reject(error);
      else if (rows !== ROWS) reject(new Error(`${rows} rows instead of ${ROWS}`));
      else resolve(rows);
    };
    session.walk(TABLE, 20, (varbinds) => void (rows += varbinds.length), done);
  });
}
