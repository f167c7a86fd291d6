// What engines tell of themselves, counted over all their restarts.
// Why totals of ended engines are kept apart: an engine's own totals start at zero after a restart, a counter must not.

import type { EngineCapacity } from '../capacity-port.ts';
import type { CopyKind, CopyTotals, EngineStats, ProposerCounts } from '../ports.ts';
import { createRateWindow } from './metrics-rate.ts';
import { one, type Sample, type Source } from './metrics-series.ts';

/** The fields of EngineStats that only grow while an engine lives. */
const engineCounters = [
  'prefixQueryTokenCount',
  'prefixHitTokenCount',
  'evictedBlockCount',
  'gatheredCount',
  'preemptionsRecompute',
  'preemptionsPark',
  'wastedTokenCount',
  'stepCount',
  'promptTokenCount',
  'generationTokenCount',
  'stepFailureCount',
  'grammarHitCount',
  'grammarMissCount',
  'grammarEvictionCount',
  'draftCount',
  'draftTokenCount',
  'acceptedTokenCount',
  'draftMs',
] as const satisfies readonly (keyof EngineStats)[];
export type EngineCounter = (typeof engineCounters)[number];

const rateWindowSeconds = 10;

/** Why keys and values are copied between the native cache and host memory. */
const copyKinds = ['park', 'restore', 'demote', 'promote'] as const satisfies readonly CopyKind[];

export type EngineRecord = ReturnType<typeof createEngineRecord>;

export function createEngineRecord() {
  const pastAcceptedByPosition: number[] = [];
  const pastDraftsBy: readonly ProposerCounts[] = [];
  const present: { stats: EngineStats | undefined; capacity: EngineCapacity | undefined; isReady: boolean } = {
    stats: undefined,
    capacity: undefined,
    isReady: false,
  };
  return {
    /** Totals of engines that have ended. */
    past: new Map<EngineCounter, number>(),
    /** Of those: copies to and from host memory. */
    pastCopies: noCopies,
    /** Of those: accepted guesses by place. */
    pastAcceptedByPosition,
    /** And guessed tokens by who guessed them. */
    pastDraftsBy,
    /** And prompt tokens that were looked up in host memory. */
    pastHostQueryTokenCount: 0,
    /** The engine that runs now. */
    present,
    restartCount: 0,
    eventLoopLagMs: 0,
    rssBytes: 0,
    promptRate: createRateWindow(rateWindowSeconds),
    generationRate: createRateWindow(rateWindowSeconds),
  };
}

/** A counter of the engine over all its restarts. */
export function engineTotal({ past, present }: EngineRecord, counter: EngineCounter): number {
  return (past.get(counter) ?? 0) + (present.stats?.[counter] ?? 0);
}

/** The same as the one line of a metric. */
export function totalOf(engine: EngineRecord, counter: EngineCounter): () => readonly Sample[] {
  return () => one(engineTotal(engine, counter));
}

/** Accepted guesses by their place in the draft, over all restarts; empty where nothing is guessed. */
export function acceptedByPosition({ pastAcceptedByPosition: past, present }: EngineRecord): number[] {
  const now = present.stats?.acceptedByPosition ?? [];
  const length = Math.max(past.length, now.length);
  return Array.from({ length }, (_, position) => (past[position] ?? 0) + (now[position] ?? 0));
}

/** Guessed tokens by who guessed them, over all restarts. */
export function draftsBy({ pastDraftsBy, present }: EngineRecord): readonly ProposerCounts[] {
  const sums = new Map<string, ProposerCounts>();
  for (const counts of [...pastDraftsBy, ...(present.stats?.draftsBy ?? [])]) {
    const { draftTokenCount = 0, acceptedTokenCount = 0 } = sums.get(counts.proposer) ?? {};
    sums.set(counts.proposer, {
      proposer: counts.proposer,
      draftTokenCount: draftTokenCount + counts.draftTokenCount,
      acceptedTokenCount: acceptedTokenCount + counts.acceptedTokenCount,
    });
  }
  return [...sums.values()];
}

/** Prompt tokens looked up in host memory, over all restarts: whether an engine keeps prefixes there is its own plan's outcome. */
export function hostQueryTokens({ pastHostQueryTokenCount: past, present: { stats, capacity } }: EngineRecord): number {
  const looksThere = (capacity?.hostStates?.prefixBytesMax ?? 0) > 0;
  if (stats === undefined || !looksThere) return past;
  return past + stats.prefixQueryTokenCount - stats.prefixHitTokenCount;
}

const noCopies: EngineStats['copies'] = {
  park: { count: 0, tokenCount: 0, byteCount: 0, ms: 0, besideCount: 0 },
  restore: { count: 0, tokenCount: 0, byteCount: 0, ms: 0, besideCount: 0 },
  demote: { count: 0, tokenCount: 0, byteCount: 0, ms: 0, besideCount: 0 },
  promote: { count: 0, tokenCount: 0, byteCount: 0, ms: 0, besideCount: 0 },
};

/** Copies of a kind over all restarts. */
export function copiesOf({ pastCopies, present }: EngineRecord, kind: CopyKind): Readonly<CopyTotals> {
  const past = pastCopies[kind];
  const now = (present.stats?.copies ?? noCopies)[kind];
  return {
    count: past.count + now.count,
    tokenCount: past.tokenCount + now.tokenCount,
    byteCount: past.byteCount + now.byteCount,
    ms: past.ms + now.ms,
    besideCount: past.besideCount + now.besideCount,
  };
}

/** One line for each kind of copy. */
export function copiesBy(engine: EngineRecord, read: (totals: Readonly<CopyTotals>) => number): Source {
  const lines = () => copyKinds.map((kind) => ({ labels: { kind }, value: read(copiesOf(engine, kind)) }));
  return { labelNames: ['kind'], read: lines };
}

/** What an engine tells after a step; totals below the last ones are those of another engine. */
export function recordStats(engine: EngineRecord, stats: EngineStats, nowMs: number): void {
  if (stats.stepCount < (engine.present.stats?.stepCount ?? 0)) keepTotals(engine);
  const before = engine.present.stats;
  engine.promptRate.add(nowMs, stats.promptTokenCount - (before?.promptTokenCount ?? 0));
  engine.generationRate.add(nowMs, stats.generationTokenCount - (before?.generationTokenCount ?? 0));
  engine.present.stats = stats;
}

/** The engine ended: its totals are added to those of its predecessors, its gauges fall to zero. */
export function recordRestart(engine: EngineRecord): void {
  keepTotals(engine);
  engine.restartCount += 1;
  engine.present.isReady = false;
  engine.rssBytes = 0;
  engine.eventLoopLagMs = 0;
}

function keepTotals(engine: EngineRecord): void {
  for (const counter of engineCounters) engine.past.set(counter, engineTotal(engine, counter));
  engine.pastAcceptedByPosition = acceptedByPosition(engine);
  engine.pastDraftsBy = draftsBy(engine);
  engine.pastHostQueryTokenCount = hostQueryTokens(engine);
  engine.pastCopies = {
    park: copiesOf(engine, 'park'),
    restore: copiesOf(engine, 'restore'),
    demote: copiesOf(engine, 'demote'),
    promote: copiesOf(engine, 'promote'),
  };
  engine.present.stats = undefined;
}
