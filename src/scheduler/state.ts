// Everything the scheduler knows, in one record: the modules beside this one are functions over it.

import type { SequenceId, TokenId } from '../ids.ts';
import { createHostTier, type HostTier } from '../kv/host-tier.ts';
import type { KvCache } from '../kv/types.ts';
import type { SequenceEvent } from '../ports.ts';
import { type AdapterTurns, createAdapterTurns } from './adapter-turns.ts';
import { type CostModel, createCostModel } from './cost-model.ts';
import { createOrderedHeap, type OrderedHeap } from './ordered-heap.ts';
import type { DeadlineEntry, Sequence } from './sequence.ts';
import { createSpeculation, type Speculation, type SpeculationOptions } from './speculation/speculation.ts';
import { createWaitingQueue, type Policy, type WaitingQueue } from './waiting-queue.ts';

export type Preemption = 'auto' | 'park' | 'recompute';

export interface SchedulerOptions {
  /** Sequences that run at once. */
  readonly sequencesMax: number;
  /** Tokens that one step may compute. */
  readonly stepTokensMax: number;
  /** Rows of one step whose prompt tokens may be scored; undefined for no limit. */
  readonly scoredRowsMax?: number | undefined;
  /** Longest sequence, prompt and output together; must fit the cache alone. */
  readonly contextTokensMax: number;
  /** Inter-token target in milliseconds; 0 means twice the step without prompts. */
  readonly itlTargetMs: number;
  readonly policy: Policy;
  readonly preemption: Preemption;
  /** Size of a parked sequence, for the choice between parking and recomputing. */
  readonly kvBytesPerToken: number;
  /** Host memory for parked sequences. */
  readonly parkBytesMax: number;
  readonly endTokenIds: readonly TokenId[];
  /** Undefined computes nothing ahead. */
  readonly speculation?: SpeculationOptions | undefined;
}

export interface SchedulerState {
  readonly options: SchedulerOptions;
  readonly cache: KvCache;
  readonly endTokens: ReadonlySet<number>;
  readonly queue: WaitingQueue;
  readonly costs: CostModel;
  readonly turns: AdapterTurns;
  /** Sequences of each adapter that had any. */
  readonly adapterCounts: Map<string, AdapterCount>;
  readonly speculation: Speculation | undefined;
  /** Every sequence that has not ended. */
  readonly sequences: Map<SequenceId, Sequence>;
  /** In order of admission. */
  readonly running: Sequence[];
  readonly deadlines: OrderedHeap<DeadlineEntry>;
  /** What happened since the last `takeEvents`, in order. */
  events: SequenceEvent[];
  /** Sequences with a grammar that ended since they were last asked for. */
  endedWithGrammar: SequenceId[];
  readonly totals: Totals;
  arrivalCount: number;
  /** Prompt tokens of sequences that wait, siblings included. */
  waitingTokenCount: number;
  /** Host memory of parked sequences. */
  readonly parked: HostTier<SequenceId>;
  /** Measured copying speed between cache and host memory. */
  parkBytesPerMs: number;
}

/** How many sequences of an adapter wait, and run. */
export interface AdapterCount {
  waiting: number;
  running: number;
}

/** Counts since the engine started. */
export interface Totals {
  preemptionsRecompute: number;
  preemptionsPark: number;
  wastedTokens: number;
  steps: number;
  promptTokens: number;
  generationTokens: number;
  stepFailures: number;
}

/** Before anything was parked: a modest memory copy, there and back (1 GB/s). */
const parkBytesPerMsUnmeasured = 1e6;

export function createSchedulerState(options: SchedulerOptions, cache: KvCache): SchedulerState {
  const costs = createCostModel();
  return {
    options,
    cache,
    endTokens: new Set<number>(options.endTokenIds),
    queue: createWaitingQueue(options.policy),
    costs,
    turns: createAdapterTurns(),
    adapterCounts: new Map(),
    speculation: options.speculation === undefined ? undefined : startSpeculation(options.speculation, costs),
    sequences: new Map(),
    running: [],
    deadlines: createOrderedHeap<DeadlineEntry>((a, b) => a.atMs < b.atMs),
    events: [],
    endedWithGrammar: [],
    totals: {
      preemptionsRecompute: 0,
      preemptionsPark: 0,
      wastedTokens: 0,
      steps: 0,
      promptTokens: 0,
      generationTokens: 0,
      stepFailures: 0,
    },
    arrivalCount: 0,
    waitingTokenCount: 0,
    parked: createHostTier(options.parkBytesMax),
    parkBytesPerMs: parkBytesPerMsUnmeasured,
  };
}

/** A chunk so large that its fixed part hardly counts. */
const wideChunkTokens = 256;

function startSpeculation(options: SpeculationOptions, costs: CostModel): Speculation {
  return createSpeculation(options, {
    promptTokenMs: () => costs.promptTokenMs({ tokens: wideChunkTokens, depth: 0 }),
  });
}
