// Which KV layout a measured cost model speaks for, where both could be had, and why in words. Pure.
// Why the rule's choice stands where the measurements are not certain: a layout that changes with noise is worse than either.

import { formatCount } from '../../format.ts';
import type { KvLayout } from '../../kernel-port.ts';
import type { PlannedCapacity } from '../../kv/capacity.ts';
import { loadSpeed } from '../../kv/layout-model/load-speed.ts';
import { type CacheSize, roomFor } from '../../kv/layout-model/room.ts';
import type { StepCosts } from '../../kv/layout-model/step-costs.ts';
import type { ExpectedLoad, LayoutEvidence, LayoutRoom } from '../../kv/layout-model/types.ts';
import type { Estimate } from '../tune/judge.ts';
import { costTrials, spreadOf } from './cost-trials.ts';

/** Native ids that a pool has, and so prefixes that may stay in it: llama.cpp's bound less a spare one. */
const pooledSeqCount = 255;

export interface PlannedCache {
  readonly plan: Pick<PlannedCapacity, 'blockCount'>;
  readonly blockTokens: number;
  readonly sequencesMax: number;
  /** Where kept prefixes are evicted for their cost (measure-kept.ts). */
  readonly isOnHost: boolean;
}

export function cacheSizeOf(layout: KvLayout, { plan, blockTokens, sequencesMax, isOnHost }: PlannedCache): CacheSize {
  const cellCount = plan.blockCount * blockTokens;
  return { layout, cellCount, sequencesMax, cacheSeqCount: pooledSeqCount, evictsKept: isOnHost };
}

export interface WeighedLayouts {
  /** What the measurements speak for; undefined where the two differ by less than can be told. */
  readonly faster: KvLayout | undefined;
  /** The load, and what each layout is to give of it. */
  readonly text: string;
  /** Output tokens a second. */
  readonly speeds: Readonly<Record<KvLayout, number>>;
}

/** Less is not believed: of a load that was served, the model was off by more than its times are (docs/PERFORMANCE.md). */
const gainMin = Math.log(1.1);
/** Rounds before which no difference is believed. */
export const roundsMin = 3;
/** Standard errors that the gain must be away from nothing. */
const certainty = 2.5;

/** Weighs the layouts for the load that was told when they were measured. */
export function weighLayouts(evidence: LayoutEvidence, sizes: Readonly<Record<KvLayout, CacheSize>>): WeighedLayouts {
  const { load, steps } = evidence;
  const trials = costTrials(evidence);
  const pooled = forecast(trials.pooled, sizes.pooled, load);
  const slabs = forecast(trials['per-sequence'], sizes['per-sequence'], load);
  const logs = pooled.speeds.map((speed, trial) => Math.log(speed / (slabs.speeds[trial] ?? speed)));
  const gain = { log: logs[0] ?? 0, error: spreadOf(logs) };
  const rounds = steps.pooled[0]?.ms.length ?? 0;
  const isCertain = rounds >= roundsMin && Math.abs(gain.log) >= gainMin && Math.abs(gain.log) > certainty * gain.error;
  const likelier = gain.log > 0 ? 'pooled' : 'per-sequence';
  return {
    faster: isCertain ? likelier : undefined,
    text: weighedText(load, { pooled, slabs, gain }),
    speeds: { pooled: pooled.speeds[0] ?? 0, 'per-sequence': slabs.speeds[0] ?? 0 },
  };
}

interface Forecast {
  /** Output tokens a second by each trial's costs; the likeliest first. */
  readonly speeds: readonly number[];
  readonly room: LayoutRoom;
}

function forecast(trials: readonly StepCosts[], size: CacheSize, load: ExpectedLoad): Forecast {
  const each = trials.map((costs) => {
    const room = roomFor(size, load, costs);
    return { room, speed: loadSpeed(costs, load, room).outputTokensPerSecond };
  });
  return { speeds: each.map(({ speed }) => speed), room: each[0]?.room ?? { atOnce: 0, keptCells: 0 } };
}

interface Weighed {
  readonly pooled: Forecast;
  readonly slabs: Forecast;
  readonly gain: Estimate;
}

/** `for 32 streams of 512 + 128 tokens slabs are to give 104 output tok/s, the pool 88: 0.85 ± 0.02 times as many`. */
function weighedText(load: ExpectedLoad, { pooled, slabs, gain }: Weighed): string {
  const ratio = Math.exp(gain.log);
  const told = ({ speeds }: Forecast): string => shortNumber(speeds[0] ?? 0);
  const few = pooled.room.atOnce < slabs.room.atOnce ? `${pooled.room.atOnce} at once, ` : '';
  const kept = formatCount(Math.round(pooled.room.keptCells));
  return (
    `for ${loadText(load)} slabs are to give ${told(slabs)} output tok/s and the pool ${told(pooled)} ` +
    `(${few}beside ${kept} cells of kept prefixes), ` +
    `${ratio.toFixed(2)} ± ${(ratio * gain.error).toFixed(2)} times as many`
  );
}

/** `32 streams of 512 + 128 tokens behind 1,024 shared ones`. */
export function loadText({ streams, promptTokens, outputTokens, sharedTokens }: ExpectedLoad): string {
  const shared = sharedTokens === 0 ? '' : ` behind ${formatCount(sharedTokens)} shared ones`;
  const count = `${formatCount(streams)} ${streams === 1 ? 'stream' : 'streams'}`;
  return `${count} of ${formatCount(promptTokens)} + ${formatCount(outputTokens)} tokens${shared}`;
}

function shortNumber(value: number): string {
  return value >= 100 ? formatCount(Math.round(value)) : value.toPrecision(3);
}
