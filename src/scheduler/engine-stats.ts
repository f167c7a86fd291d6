// What the engine reports after each step: the scheduler's numbers, those of sequences that wait for their grammar, and a draft model's.
// Why field by field: spread into a new object that has more fields, these few numbers cost 5 KB of garbage a step, as much
// as ten tokens; the type holds the list complete.

import type { GrammarStats, SequenceMasks } from '../grammar-port.ts';
import type { EngineStats } from '../ports.ts';
import type { GrammarGate } from './grammar-gate.ts';
import type { Scheduler } from './scheduler.ts';
import type { DraftLane } from './speculation/draft-lane.ts';

const noGrammars: GrammarStats = {
  preparingCount: 0,
  grammarCount: 0,
  grammarHitCount: 0,
  grammarMissCount: 0,
  grammarEvictionCount: 0,
};

export interface StatsParts {
  readonly scheduler: Scheduler;
  readonly masks?: SequenceMasks | undefined;
  readonly drafts?: DraftLane | undefined;
}

export function engineStats({ scheduler, masks, drafts }: StatsParts, gate: GrammarGate): EngineStats {
  const stats = scheduler.stats();
  const grammars = masks?.stats() ?? noGrammars;
  const gated = gate.waiting();
  const deferredCount = gated.sequenceCount + grammars.preparingCount;
  return {
    runningCount: stats.runningCount,
    waitingCount: stats.waitingCount + deferredCount,
    waitingTokenCount: stats.waitingTokenCount + gated.tokenCount,
    deferredCount,
    blocks: stats.blocks,
    prefixQueryTokenCount: stats.prefixQueryTokenCount,
    prefixHitTokenCount: stats.prefixHitTokenCount,
    evictedBlockCount: stats.evictedBlockCount,
    gatheredCount: stats.gatheredCount,
    preemptionsRecompute: stats.preemptionsRecompute,
    preemptionsPark: stats.preemptionsPark,
    parkedBytes: stats.parkedBytes,
    parkedCount: stats.parkedCount,
    hostPrefixBytes: stats.hostPrefixBytes,
    hostPrefixCount: stats.hostPrefixCount,
    copies: stats.copies,
    wastedTokenCount: stats.wastedTokenCount,
    stepCount: stats.stepCount,
    promptTokenCount: stats.promptTokenCount,
    generationTokenCount: stats.generationTokenCount,
    stepFailureCount: stats.stepFailureCount,
    adaptersRunning: stats.adaptersRunning,
    adaptersWaiting: stats.adaptersWaiting,
    draftCount: stats.draftCount,
    draftTokenCount: stats.draftTokenCount,
    acceptedTokenCount: stats.acceptedTokenCount,
    acceptedByPosition: stats.acceptedByPosition,
    draftsBy: stats.draftsBy,
    draftMs: drafts?.spentMs() ?? 0,
    grammarCount: grammars.grammarCount,
    grammarHitCount: grammars.grammarHitCount,
    grammarMissCount: grammars.grammarMissCount,
    grammarEvictionCount: grammars.grammarEvictionCount,
  };
}
