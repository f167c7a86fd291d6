// The engine's one loop: plan, decode, draw, and around again; everything else happens while the native step runs.
// Why events are posted after the next decode was submitted: the kernels then never wait for the server process. But a step
// that reads a prompt is announced before it: if it ends the process, the server must know who was in it.
// This file is the folder's only asynchronous one; it still knows the kernel and the clock as arguments alone.

import { assertNever, must } from '../assert.ts';
import type { SequenceMasks } from '../grammar-port.ts';
import { tokenId } from '../ids.ts';
import type { DecodeOutcome, Kernel } from '../kernel-port.ts';
import type { KvCache } from '../kv/types.ts';
import type { EngineCommand, EngineStats, SequenceEvent, StepTiming } from '../ports.ts';
import type { Drawing } from './apply-step.ts';
import { createGrammarGate, type GrammarGate } from './grammar-gate.ts';
import type { StepPlan } from './plan-step.ts';
import type { Scheduler } from './scheduler.ts';
import { removeFillers, writeBatch } from './step-batch.ts';

export interface EngineLoopPorts {
  readonly scheduler: Scheduler;
  readonly cache: KvCache;
  readonly kernel: Kernel;
  /** Undefined where no sequence has a grammar. */
  readonly masks?: SequenceMasks | undefined;
  /** Milliseconds of a monotonic clock. */
  readonly now: () => number;
  /** Sends what happened since the last call. */
  readonly post: (report: StepReport) => void;
  /** A law of scheduler or cache was found broken while idle. */
  readonly onFault: (faults: readonly string[]) => void;
}

export interface StepReport {
  readonly events: readonly SequenceEvent[];
  readonly stats: EngineStats;
  readonly timing: StepTiming | undefined;
}

export interface EngineLoop {
  /** Takes effect at once: also while a step runs. */
  accept(command: EngineCommand): void;
  /** Runs until `stop`; rejects only on a bug. */
  run(): Promise<void>;
  stop(): void;
  /** How long the step in progress has run; 0 between steps. */
  stepAgeMs(): number;
}

export function createEngineLoop(ports: EngineLoopPorts): EngineLoop {
  const { scheduler, now } = ports;
  const wake = createWake();
  const gate = createGrammarGate({ scheduler, masks: ports.masks, now, onChange: wake.signal });
  let stopped = false;
  let stepStartedMs: number | undefined;
  let lastTiming: StepTiming | undefined;

  function post(): void {
    gate.settle();
    const events = scheduler.takeEvents();
    if (events.length === 0 && lastTiming === undefined) return;
    ports.post({ events, stats: scheduler.stats(), timing: lastTiming });
    lastTiming = undefined;
  }

  async function rest(): Promise<void> {
    post();
    // Planning may have failed a sequence: then there is more to plan before resting.
    if (scheduler.hasWork()) return;
    performOps(ports);
    const faults = scheduler.check();
    if (faults.length > 0) ports.onFault(faults);
    await wake.wait();
  }

  async function step(plan: StepPlan): Promise<void> {
    const startedMs = now();
    stepStartedMs = startedMs;
    if (plan.chunks.some(({ sequence }) => sequence.firstTokenMs === undefined)) post();
    performPlan(ports, plan);
    if (plan.tokenCount === 0) return;
    const rows = writeBatch(ports.kernel, plan);
    const decodeStartedMs = now();
    const decoding = ports.kernel.decode(rows.rowCount);
    gate.advance(plan);
    post();
    const outcome = await decoding;
    const decodedMs = now();
    removeFillers(ports.kernel, rows.fillers);
    const sampleMs = await settle({ ...ports, gate }, plan, { outcome, lastRows: rows.lastRows });
    const endedMs = now();
    scheduler.observe(plan, endedMs - startedMs);
    lastTiming = {
      stepMs: endedMs - startedMs,
      decodeMs: decodedMs - decodeStartedMs,
      sampleMs,
      sequenceCount: plan.chunks.length,
      tokenCount: plan.tokenCount,
    };
  }

  return {
    accept(command) {
      switch (command.kind) {
        case 'generate':
          gate.submit(command);
          break;
        case 'cancel':
          gate.cancel(command.sequenceId);
          scheduler.cancel(command.sequenceId, command.reason);
          break;
        default:
          assertNever(command);
      }
      wake.signal();
    },
    async run() {
      while (!stopped) {
        const plan = scheduler.plan(now());
        if (plan === undefined) await rest();
        else await step(plan);
        stepStartedMs = undefined;
      }
      post();
    },
    stop() {
      stopped = true;
      wake.signal();
    },
    stepAgeMs: () => (stepStartedMs === undefined ? 0 : now() - stepStartedMs),
  };
}

/** Everything a plan wants from the native cache before its batch: parks read, operations change, restores write. */
function performPlan(ports: EngineLoopPorts, plan: StepPlan): void {
  const { kernel, scheduler, now } = ports;
  for (const park of plan.parks) {
    const startedMs = now();
    const parkedState = kernel.park(park.seq, park.tokenCount);
    scheduler.parked(park, parkedState, now() - startedMs);
  }
  performOps(ports);
  for (const restore of [...plan.restores]) {
    const startedMs = now();
    const parkedState = restore.sequence.parked;
    const ok = parkedState !== undefined && kernel.restore(restore.seq, parkedState);
    scheduler.restored(plan, restore.sequence, { ok, elapsedMs: now() - startedMs });
    if (!ok) performOps(ports);
  }
}

function performOps({ cache, kernel }: EngineLoopPorts): void {
  for (const op of cache.takeOps()) {
    switch (op.kind) {
      case 'copy':
        kernel.copyPrefix(op.from, op.to, op.tokenCount);
        break;
      case 'truncate':
        kernel.truncate(op.seq, op.fromPosition);
        break;
      default:
        assertNever(op);
    }
  }
}

/** Applies the decode's outcome; answers the milliseconds spent drawing. */
async function settle(
  ports: EngineLoopPorts & { readonly gate: GrammarGate },
  plan: StepPlan,
  { outcome, lastRows }: { outcome: DecodeOutcome; lastRows: readonly number[] },
): Promise<number> {
  const { scheduler, gate, now } = ports;
  if (outcome.kind !== 'done') {
    scheduler.failed(plan, outcome);
    return 0;
  }
  const computed = scheduler.computed(plan, { lastRows, nowMs: now() });
  performOps(ports);
  if (computed.rows.length === 0 && computed.scorings.length === 0) return 0;
  const startedMs = now();
  const drawing = await gate.mask(computed);
  try {
    await draw(ports, drawing);
    // Guesses that were wrong leave the cache before anything else is computed.
    performOps(ports);
  } catch (error) {
    scheduler.failed(plan, { kind: 'failed', code: samplingFailedCode, reason: String(error) });
  }
  return now() - startedMs;
}

/** Scores prompts, draws, and scores what was drawn: from logits that the draw has not changed. */
async function draw({ scheduler, kernel, now }: EngineLoopPorts, drawing: Drawing): Promise<void> {
  if (drawing.scorings.length > 0) {
    scheduler.scored(drawing, await kernel.score(drawing.scorings.flatMap(({ rows }) => rows)));
  }
  if (drawing.rows.length === 0) return;
  const wishes = drawing.sequences.flatMap(({ command: { logprobs } }, index) =>
    logprobs?.outputTopCount === undefined ? [] : [{ index, topCount: logprobs.outputTopCount }],
  );
  const rowAt = (index: number) => must(drawing.rows[index], 'a row for each sequence');
  if (wishes.length > 0) kernel.keepLogits(wishes.map(({ index }) => rowAt(index).batchIndex));
  const tokens = await kernel.sample(drawing.rows);
  const scoreRows = wishes.map(({ index, topCount }) => {
    const token = tokenId(must(tokens[index], 'one draw per row'));
    return { batchIndex: rowAt(index).batchIndex, token, topCount };
  });
  const scores = wishes.length === 0 ? [] : await kernel.score(scoreRows);
  const logprobs = new Map(wishes.map(({ index }, row) => [index, must(scores[row], 'a score for each row')]));
  scheduler.drawn(drawing, { tokens, logprobs, nowMs: now() });
}

/** Outside of llama_decode's own codes. */
const samplingFailedCode = -1000;

/** Lets the loop sleep until somebody signals; a signal in between is not lost. */
function createWake(): { wait(): Promise<void>; signal(): void } {
  let signalled = false;
  let resume: (() => void) | undefined;
  return {
    wait() {
      if (signalled) {
        signalled = false;
        return Promise.resolve();
      }
      return new Promise((resolve) => {
        resume = resolve;
      });
    },
    signal() {
      if (resume === undefined) {
        signalled = true;
        return;
      }
      const waiting = resume;
      resume = undefined;
      waiting();
    },
  };
}
