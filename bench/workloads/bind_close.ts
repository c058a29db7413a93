/**
 * Sockets that are made, bound and closed, one after the other.
 *
 * @module
 */
import { bound, type Dgram, type Figures, measure, type Options, untilTurn } from "../support.ts";

export default async function bindClose(dgram: Dgram, options: Options): Promise<Figures> {
  let count = 0;
  const bindInTurn = async (): Promise<void> => {
    for (;; count++) {
      const socket = await bound(dgram);
      await new Promise<void>((resolve) => socket.close(resolve));
      await untilTurn(count);
    }
  };
  void bindInTurn();
  return await measure(options, () => count);
}
