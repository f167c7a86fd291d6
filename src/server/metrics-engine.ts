// What engines tell of themselves, counted over all their restarts.
// Why totals of ended engines are kept apart: an engine's own totals start at zero after a restart, a counter must not.

import type { EngineCapacity } from '../capacity-port.ts';
import type { EngineStats, ProposerCounts } from '../ports.ts';
import { createRateWindow } from './metrics-rate.ts';
import { one, type Sample } from './metrics-series.ts';

/** The fields of EngineStats that only grow while an engine lives. */
const engineCounters = [
  'prefixQueryTokenCount',
  'prefixHitTokenCount',
  'evictedBlockCount',
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
    /** Of those: accepted guesses by place. */
    pastAcceptedByPosition,
    /** And guessed tokens by who guessed them. */
    pastDraftsBy,
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
  engine.present.stats = undefined;
}
