// Everything the scheduler knows, in one record: the modules beside this one are functions over it.

import type { SequenceId, TokenId } from '../ids.ts';
import type { ParkedState } from '../kernel-port.ts';
import { createHostPrefixes, type HostPrefixes } from '../kv/host-prefixes.ts';
import { createHostTier, type HostTier } from '../kv/host-tier.ts';
import type { KvCache } from '../kv/types.ts';
import type { CopyKind, CopyTotals, SequenceEvent } from '../ports.ts';
import { type AdapterTurns, createAdapterTurns } from './adapter-turns.ts';
import { type CopyCosts, createCopyCosts } from './copy-costs.ts';
import type { BesideCopies } from './copy-types.ts';
import { type CostModel, createCostModel } from './cost-model.ts';
import { createFirstTokenQueue, type FirstTokenQueue } from './first-token-queue.ts';
import { createFoundShare, type FoundShare } from './found-share.ts';
import { createGapAccount, type GapAccount } from './gap-account.ts';
import { createOrderedHeap, type OrderedHeap } from './ordered-heap.ts';
import { createPassCost, type PassCost } from './pass-cost.ts';
import { createPrefixReturns, type PrefixReturns } from './prefix-returns.ts';
import { createQuietSteps, type QuietSteps } from './quiet-steps.ts';
import type { DeadlineEntry, Sequence } from './sequence.ts';
import { createSpeculation, type Speculation, type SpeculationOptions } from './speculation/speculation.ts';
import { createTargetAim, type TargetAim } from './target-aim.ts';
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
  /** From arrival to first token, in milliseconds: who can still meet it goes first. 0 or undefined serves by the policy alone. */
  readonly ttftTargetMs?: number | undefined;
  readonly policy: Policy;
  readonly preemption: Preemption;
  /** Size of a parked sequence, for the choice between parking and recomputing. */
  readonly kvBytesPerToken: number;
  /** Host memory for parked sequences. */
  readonly parkBytesMax: number;
  /** Host memory for prefixes that make room in the cache; undefined where they are dropped. */
  readonly hostPrefixes?: { readonly bytesMax: number; readonly hashSeed: number } | undefined;
  /**
   * Which copies to and from host memory are made while steps run, where the cache can hold what is copied: those that would hold up
   * the others by more, or all for which others decode. Undefined: none.
   */
  readonly copiesBeside?: 'worthwhile' | 'all' | undefined;
  readonly endTokenIds: readonly TokenId[];
  /** Milliseconds that a copy between native ids adds to a step; undefined where it is not known, or nothing is copied. */
  readonly idCopyMs?: number | undefined;
  /** Undefined computes nothing ahead. */
  readonly speculation?: SpeculationOptions | undefined;
}

export interface SchedulerState {
  readonly options: SchedulerOptions;
  readonly cache: KvCache;
  readonly endTokens: ReadonlySet<number>;
  readonly queue: WaitingQueue;
  /** The same queue, where a target for first tokens is set. */
  readonly firstTokens: FirstTokenQueue | undefined;
  readonly costs: CostModel;
  readonly aim: TargetAim;
  readonly quietSteps: QuietSteps;
  readonly passCost: PassCost;
  readonly gaps: GapAccount;
  readonly foundShare: FoundShare;
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
  /** States that nobody wants any more, beside those of dropped prefixes. */
  readonly givenUp: ParkedState[];
  /** Undefined where what makes room is dropped. */
  readonly hostPrefixes: HostPrefixes<ParkedState> | undefined;
  /** Undefined where copies are made between steps alone. */
  readonly beside: BesideCopies | undefined;
  readonly copyCosts: CopyCosts;
  readonly prefixReturns: PrefixReturns;
  readonly copies: Record<CopyKind, CopyTotals>;
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
  gatheredSequences: number;
  /** Tokens that arrived from host memory ahead of an admission that found them. */
  arrivedTokens: number;
}

export function createSchedulerState(options: SchedulerOptions, cache: KvCache): SchedulerState {
  const costs = createCostModel();
  const passCost = createPassCost();
  const { policy, ttftTargetMs = 0 } = options;
  const firstTokens = ttftTargetMs > 0 ? createFirstTokenQueue(policy, ttftTargetMs) : undefined;
  return {
    options,
    cache,
    endTokens: new Set<number>(options.endTokenIds),
    queue: firstTokens ?? createWaitingQueue(policy),
    firstTokens,
    costs,
    aim: createTargetAim(),
    quietSteps: createQuietSteps(),
    passCost,
    gaps: createGapAccount(passCost),
    foundShare: createFoundShare(),
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
      gatheredSequences: 0,
      arrivedTokens: 0,
    },
    arrivalCount: 0,
    waitingTokenCount: 0,
    parked: createHostTier(options.parkBytesMax),
    givenUp: [],
    hostPrefixes: hostPrefixesOf(options, cache),
    beside:
      options.copiesBeside !== undefined && cache.holds !== undefined
        ? { holds: cache.holds, underWay: new Set() }
        : undefined,
    copyCosts: createCopyCosts(),
    prefixReturns: createPrefixReturns(),
    copies: { park: noCopies(), restore: noCopies(), demote: noCopies(), promote: noCopies() },
  };
}

/** Blocks that the tree of prefixes in host memory can have: beyond it (4 million tokens) the oldest go, whatever they take. */
const hostNodesMax = 2 ** 18;

function hostPrefixesOf(
  { hostPrefixes, kvBytesPerToken }: SchedulerOptions,
  { blockTokens }: KvCache,
): HostPrefixes<ParkedState> | undefined {
  if (hostPrefixes === undefined) return undefined;
  const fitting = Math.floor(hostPrefixes.bytesMax / (kvBytesPerToken * blockTokens));
  return createHostPrefixes({ ...hostPrefixes, blockTokens, nodeCount: Math.min(Math.max(fitting, 1), hostNodesMax) });
}

function noCopies(): CopyTotals {
  return { count: 0, tokenCount: 0, byteCount: 0, ms: 0, besideCount: 0 };
}

/** A chunk so large that its fixed part hardly counts. */
const wideChunkTokens = 256;

function startSpeculation(options: SpeculationOptions, costs: CostModel): Speculation {
  return createSpeculation(options, {
    promptTokenMs: () => costs.promptTokenMs({ tokens: wideChunkTokens, depth: 0 }),
  });
}
