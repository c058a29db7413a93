/**
 * Runs the differential check's table on a `dgram` module.
 *
 * @module
 */
import { countOf, type Dgram, runScenario, type Scenario } from "./scenario.ts";

/** Scenarios that run at a time. */
const GROUP = 64;

/** Outcomes by scenario. */
export type Outcomes = Record<string, string>;

/** Runs scenarios. @param known Outcomes of an earlier run, which say how much is to be waited for. */
export async function runAll(dgram: Dgram, scenarios: readonly Scenario[], known: Outcomes): Promise<Outcomes> {
  const outcomes: Outcomes = {};
  for (let first = 0; first < scenarios.length; first += GROUP) {
    await Promise.all(
      scenarios.slice(first, first + GROUP).map(async (scenario) => {
        outcomes[scenario.name] = await runScenario(dgram, scenario, countOf(known[scenario.name]));
      }),
    );
  }
  return outcomes;
}
