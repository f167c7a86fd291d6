// Replays a trace through the real scheduler and cache on a virtual clock: hours of traffic in seconds.
// Nothing is mocked but the kernel: admission, policy, chunking, prefix sharing, eviction and preemption are the server's own.

import { sequenceId } from '../../src/ids.ts';
import { createPooledCache } from '../../src/kv/pooled-cache.ts';
import type { SequenceEvent, SequenceTimings } from '../../src/ports.ts';
import { greedySampling } from '../../src/sampling-params.ts';
import { createAdmission } from '../../src/scheduler/admission.ts';
import { createScheduler, type Scheduler } from '../../src/scheduler/scheduler.ts';
import type { SchedulerOptions } from '../../src/scheduler/state.ts';
import { denseLastRows } from '../../src/scheduler/step-batch.ts';
import { type TraceRow, traceBlockTokens } from '../trace.ts';
import { createLogHistogram, type LogHistogram } from './log-histogram.ts';
import { type MachineCost, stepCostMs } from './virtual-kernel.ts';

export interface SimulationOptions {
  readonly rows: readonly TraceRow[];
  readonly cost: MachineCost;
  readonly blockCount: number;
  readonly blockTokens: number;
  readonly scheduling: Pick<
    SchedulerOptions,
    'sequencesMax' | 'stepTokensMax' | 'itlTargetMs' | 'ttftTargetMs' | 'policy' | 'preemption'
  >;
  readonly waitingSequencesMax: number;
}

/** What became of one request, in virtual milliseconds. */
export interface SimulatedRequest {
  readonly outputTokens: number;
  readonly ttftMs: number;
  readonly e2eMs: number;
  readonly itlMsMax: number;
  readonly timings: SequenceTimings;
}

export interface SimulationResult {
  readonly finished: readonly SimulatedRequest[];
  /** Every gap between two tokens of a sequence, in virtual milliseconds. */
  readonly gapsMs: LogHistogram;
  readonly refusedCount: number;
  readonly failedCount: number;
  readonly virtualMs: number;
  readonly stepCount: number;
  readonly kvUseMean: number;
  readonly kvUseMax: number;
  readonly stats: ReturnType<Scheduler['stats']>;
}

interface Open {
  readonly row: TraceRow;
  readonly arrivalMs: number;
  firstMs: number | undefined;
  lastMs: number;
  itlMsMax: number;
}

/** Runs the whole trace. Deterministic: the same options give the same result. */
export function simulate(options: SimulationOptions): SimulationResult {
  const contextTokensMax = options.blockCount * options.blockTokens;
  const cache = createPooledCache({
    blockCount: options.blockCount,
    blockTokens: options.blockTokens,
    cacheSeqCount: 256,
  });
  const scheduler = createScheduler(
    {
      ...options.scheduling,
      contextTokensMax,
      kvBytesPerToken: 1,
      parkBytesMax: options.scheduling.preemption === 'recompute' ? 0 : Number.MAX_SAFE_INTEGER,
      endTokenIds: [],
    },
    cache,
  );
  const admission = createAdmission({
    waitingSequencesMax: options.waitingSequencesMax,
    waitingTokensMax: Number.MAX_SAFE_INTEGER,
    contextTokensMax,
  });
  const open = new Map<number, Open>();
  const finished: SimulatedRequest[] = [];
  const gapsMs = createLogHistogram();
  let nowMs = 0;
  let next = 0;
  let refusedCount = 0;
  let failedCount = 0;
  let stepCount = 0;
  let kvUseSum = 0;
  let kvUseMax = 0;

  function submitArrived(): void {
    for (let row = options.rows[next]; row !== undefined && row.arrivalMs <= nowMs; row = options.rows[next]) {
      next += 1;
      const refused = admission.admit({
        sequenceCount: 1,
        promptTokenCount: row.promptTokens,
        outputTokensMax: row.outputTokens,
      });
      if (refused !== undefined) {
        refusedCount += 1;
        continue;
      }
      open.set(next, { row, arrivalMs: row.arrivalMs, firstMs: undefined, lastMs: 0, itlMsMax: 0 });
      scheduler.submit(commandFor(row, next), row.arrivalMs);
    }
  }

  function note(event: SequenceEvent): void {
    const request = open.get(event.sequenceId);
    if (request === undefined || event.kind === 'prompt-logprobs') return;
    if (event.kind === 'sequence-started') admission.leave(request.row.promptTokens, nowMs);
    else if (event.kind === 'token-delta') noteToken(request);
    else {
      open.delete(event.sequenceId);
      if (event.kind === 'sequence-failed') failedCount += 1;
      else finished.push(summary(request, event.timings));
    }
  }

  function noteToken(request: Open): void {
    if (request.firstMs === undefined) request.firstMs = nowMs;
    else {
      gapsMs.add(nowMs - request.lastMs);
      request.itlMsMax = Math.max(request.itlMsMax, nowMs - request.lastMs);
    }
    request.lastMs = nowMs;
  }

  function summary(request: Open, timings: SequenceTimings): SimulatedRequest {
    return {
      outputTokens: request.row.outputTokens,
      ttftMs: (request.firstMs ?? nowMs) - request.arrivalMs,
      e2eMs: nowMs - request.arrivalMs,
      itlMsMax: request.itlMsMax,
      timings,
    };
  }

  function stepOnce(): boolean {
    const plan = scheduler.plan(nowMs);
    if (plan === undefined) return false;
    for (const park of plan.parks) {
      const bytes = new Uint8Array(0);
      scheduler.parked(park, { bytes, tokenCount: park.tokenCount }, 0.01 * park.tokenCount);
    }
    for (const restore of [...plan.restores]) scheduler.restored(plan, restore.sequence, { ok: true, elapsedMs: 0.01 });
    cache.takeOps();
    scheduler.takeGivenUp();
    const stepMs = stepCostMs(options.cost, plan);
    nowMs += stepMs;
    const drawing = scheduler.computed(plan, { lastRows: denseLastRows(plan), nowMs });
    scheduler.drawn(drawing, { tokens: new Int32Array(drawing.rows.length), nowMs });
    scheduler.observe(plan, stepMs);
    return true;
  }

  while (next < options.rows.length || scheduler.hasWork()) {
    submitArrived();
    if (!stepOnce()) nowMs = Math.max(nowMs, options.rows[next]?.arrivalMs ?? nowMs);
    else {
      stepCount += 1;
      const { held, total } = cache.stats().blocks;
      kvUseSum += held / total;
      kvUseMax = Math.max(kvUseMax, held / total);
    }
    for (const event of scheduler.takeEvents()) note(event);
  }
  return {
    finished,
    gapsMs,
    refusedCount,
    failedCount,
    virtualMs: nowMs,
    stepCount,
    kvUseMean: stepCount === 0 ? 0 : kvUseSum / stepCount,
    kvUseMax,
    stats: scheduler.stats(),
  };
}

function commandFor(row: TraceRow, id: number) {
  return {
    kind: 'generate' as const,
    choices: [{ sequenceId: sequenceId(id), seed: id }],
    tokens: promptOf(row, id),
    generatedCount: 0,
    outputTokensMax: row.outputTokens,
    sampling: greedySampling,
    stopTokenIds: [],
    ignoreEos: true,
    priority: 0,
    fairnessKey: `user-${id % 100}`,
    namespace: '',
    timeLimit: undefined,
  };
}

/** Tokens that are equal exactly where the trace says prompts are: by block id if it has them, else nowhere. */
function promptOf(row: TraceRow, id: number): Int32Array {
  const tokens = new Int32Array(row.promptTokens);
  for (let index = 0; index < tokens.length; index++) {
    const blockId = row.blockIds[Math.floor(index / traceBlockTokens)];
    tokens[index] =
      (blockId === undefined ? Math.imul(id, 0x9e3779b1) ^ index : Math.imul(blockId + 1, 0x85ebca6b) ^ index) &
      0x7fffffff;
  }
  return tokens;
}
