// Which values are worth a race on this machine: for each knob those below and above its default. Pure.

import { isQuantized, type KvTypes } from '../../kv-types.ts';
import { isTouched, type Load } from './loads.ts';
import type { KnobSteps } from './search.ts';
import type { Knob, knobs, SpeedValues } from './speed-values.ts';

export interface CandidateFacts {
  readonly defaults: SpeedValues;
  readonly loads: readonly Load[];
  readonly coreCount: number;
  readonly sequencesMax: number;
  readonly kvTypes: KvTypes;
  /** Knobs that were set, and stay as they are. */
  readonly fixed: readonly Knob[];
  /** Tokens of the prompts that are timed: what is larger than all of them would change nothing. */
  readonly promptTokens: number;
  readonly promptMsPerToken: number;
}

const microBatches = [32, 64, 128, 256, 512, 1024, 2048, 4096];
const stepSizes = [256, 512, 1024, 2048, 4096, 8192];
/** A step that reads prompts is not made longer than this: who comes meanwhile waits for its end. */
const stepMsMax = 1000;

/** In the order in which they are tried: what gains most first. */
export function candidatesFor(facts: CandidateFacts): readonly KnobSteps[] {
  const order = ['batchThreads', 'threads', 'flashAttention', 'microBatch', 'samplingThreads', 'stepTokens'] as const;
  return order
    .filter((knob) => !facts.fixed.includes(knob) && facts.loads.some((load) => isTouched(load, knob)))
    .map((knob) => ({ knob, directions: directionsOf(knob, facts) }))
    .filter(({ directions }) => directions.length > 0);
}

/** Every candidate of these knobs, for people. */
export function candidateCount(steps: readonly KnobSteps[]): number {
  return steps.reduce((sum, { directions }) => sum + directions.flat().length, 0);
}

function directionsOf(
  knob: (typeof knobs)[number],
  facts: CandidateFacts,
): readonly (readonly Partial<SpeedValues>[])[] {
  const { defaults, coreCount, sequencesMax, promptTokens } = facts;
  switch (knob) {
    case 'threads':
    case 'batchThreads':
      return outwards(knob, defaults[knob], threadCounts(coreCount));
    case 'samplingThreads':
      // Rows are shared out among them: more threads than rows would idle.
      return outwards(knob, defaults[knob], threadCounts(Math.min(coreCount, sequencesMax)));
    case 'microBatch':
      return outwards(
        knob,
        defaults[knob],
        // One that all sequences' rows do not fit would cut every decoding step, too.
        microBatches.filter((size) => size >= sequencesMax && size <= Math.min(promptTokens, defaults.stepTokens)),
      );
    case 'stepTokens':
      return outwards(
        knob,
        defaults[knob],
        stepSizes.filter((size) => isStepSize(size, facts)),
      );
    case 'flashAttention':
      return defaults.flashAttention === 'auto' && !isQuantized(facts.kvTypes.v) ? [[{ flashAttention: 'off' }]] : [];
  }
}

function isStepSize(size: number, { defaults, sequencesMax, promptTokens, promptMsPerToken }: CandidateFacts): boolean {
  if (size < Math.max(sequencesMax, defaults.microBatch) || size > promptTokens) return false;
  return size < defaults.stepTokens || size * promptMsPerToken <= stepMsMax;
}

/** One less than all (which leaves a core to others), three quarters, and halves of halves. */
function threadCounts(most: number): readonly number[] {
  const counts = [most, most - 1, Math.round(0.75 * most)];
  for (let count = most >> 1; count >= 1; count >>= 1) counts.push(count);
  return counts.filter((count) => count >= 1);
}

/** Downwards from the default, then upwards; directions without values are left out. */
function outwards(
  knob: Exclude<Knob, 'flashAttention'>,
  from: number,
  values: readonly number[],
): readonly (readonly Partial<SpeedValues>[])[] {
  const sorted = [...new Set(values)].sort((a, b) => a - b);
  const down = sorted.filter((value) => value < from).reverse();
  const up = sorted.filter((value) => value > from);
  return [down, up].filter((side) => side.length > 0).map((side) => side.map((value) => ({ [knob]: value })));
}
