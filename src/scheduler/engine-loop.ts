// The engine's one loop: plan, decode, draw, and around again; everything else happens while the native step runs.
// Why events are posted after the next decode was submitted: the kernels then never wait for the server process. But a step
// that reads a prompt is announced before it: if it ends the process, the server must know who was in it.
// This file and the lanes beside it (grammar-gate.ts, embedding-lane.ts, copy-lane.ts, speculation/draft-lane.ts) are the folder's asynchronous
// ones; they still know the kernel and the clock as arguments alone.

import { assertNever } from '../assert.ts';
import type { EmbeddingCommand } from '../embedding-port.ts';
import type { GrammarCompile, SequenceMasks } from '../grammar-port.ts';
import type { EngineCommand, EngineStats, SequenceEvent, StepTiming } from '../ports.ts';
import { expectedDraws } from './apply-step.ts';
import { createCopyLane } from './copy-lane.ts';
import type { EmbeddingLane } from './embedding-lane.ts';
import { engineStats } from './engine-stats.ts';
import { removeFillers } from './filler-rows.ts';
import { createGrammarGate } from './grammar-gate.ts';
import { forgetGivenUp, type PerformPorts, performOps, performPlan } from './perform-plan.ts';
import { settle } from './settle-step.ts';
import type { DraftLane } from './speculation/draft-lane.ts';
import { writeBatch } from './step-batch.ts';
import type { StepPlan } from './step-plan.ts';

export interface EngineLoopPorts extends PerformPorts {
  /** Undefined where no sequence has a grammar. */
  readonly masks?: SequenceMasks | undefined;
  /** Undefined where no vectors are made. */
  readonly embeddings?: EmbeddingLane | undefined;
  /** Undefined where neither a draft model nor the model's own head guesses. */
  readonly drafts?: DraftLane | undefined;
  /** Sends what happened since the last call. */
  readonly post: (report: StepReport) => void;
  /** A law of scheduler or cache was found broken while idle. */
  readonly onFault: (faults: readonly string[]) => void;
}

export interface StepReport {
  readonly events: readonly SequenceEvent[];
  readonly stats: EngineStats;
  readonly timing: StepTiming | undefined;
  readonly compiles: readonly GrammarCompile[];
}

export interface EngineLoop {
  /** Takes effect at once: also while a step runs. */
  accept(command: EngineCommand | EmbeddingCommand): void;
  /** Runs until `stop`; rejects only on a bug. */
  run(): Promise<void>;
  stop(): void;
  /** Posts what happened outside of steps. */
  report(): void;
  /** How long the step or pass in progress has run; 0 between them. */
  stepAgeMs(): number;
}

export function createEngineLoop(ports: EngineLoopPorts): EngineLoop {
  const { scheduler, embeddings, now } = ports;
  const wake = createWake();
  const gate = createGrammarGate({ scheduler, masks: ports.masks, now, onChange: wake.signal });
  const { beside } = ports.kernel;
  const copies = beside && createCopyLane({ scheduler, beside, now, onEnd: wake.signal });
  const performing = { ...ports, copies };
  let stopped = false;
  let stepStartedMs: number | undefined;
  let lastStepMs: number | undefined;
  let lastTiming: StepTiming | undefined;
  let lastDeferredCount = 0;

  function post(): void {
    gate.settle();
    const events = scheduler.takeEvents();
    const compiles = ports.masks?.takeCompiles() ?? [];
    const stats = engineStats(ports, gate);
    const isQuiet = events.length === 0 && compiles.length === 0 && stats.deferredCount === lastDeferredCount;
    if (isQuiet && lastTiming === undefined) return;
    ports.post({ events, stats, timing: lastTiming, compiles });
    lastTiming = undefined;
    lastDeferredCount = stats.deferredCount;
  }

  async function rest(): Promise<void> {
    post();
    // Planning may have failed a sequence: then there is more to plan before resting.
    if (scheduler.hasWork() && !copies?.isBusy()) return;
    performOps(ports);
    forgetGivenUp(ports);
    ports.drafts?.sweep();
    const faults = [...scheduler.check(), ...(ports.drafts?.check() ?? [])];
    if (faults.length > 0) ports.onFault(faults);
    await wake.wait();
  }

  async function step(plan: StepPlan): Promise<void> {
    const startedMs = now();
    stepStartedMs = startedMs;
    if (plan.chunks.some(({ sequence }) => sequence.firstTokenMs === undefined)) post();
    const planCopyMs = performPlan(performing, plan);
    if (plan.tokenCount === 0) return;
    ports.kernel.useAdapter(plan.adapter);
    const rows = writeBatch(ports.kernel, plan, scheduler);
    if (ports.drafts?.wantsAll(plan)) ports.kernel.hidden?.takeAll();
    const decodeStartedMs = now();
    const decoding = ports.kernel.decode(rows.rowCount, () => expectedDraws(plan, rows.lastRows));
    gate.advance(plan);
    post();
    const outcome = await decoding;
    const decodedMs = now();
    removeFillers(ports.kernel, rows.fillers);
    const drawing = await settle({ ...ports, gate }, plan, { outcome, lastRows: rows.lastRows });
    if (outcome.kind === 'done') ports.drafts?.observe(plan, { lastRows: rows.lastRows, hidden: ports.kernel.hidden });
    const endedMs = now();
    lastStepMs = endedMs - startedMs;
    const copyMs = planCopyMs + drawing.copyMs;
    scheduler.observe(plan, lastStepMs - copyMs, rows);
    lastTiming = {
      stepMs: lastStepMs,
      decodeMs: decodedMs - decodeStartedMs,
      ...drawing,
      copyMs,
      sequenceCount: plan.chunks.length,
      tokenCount: plan.tokenCount,
    };
  }

  /** Before a step is planned: what the draft model guesses must be there by then. News are posted while it computes. */
  async function draft(drafts: DraftLane): Promise<void> {
    const wishes = scheduler.planDraftRound();
    if (wishes.length === 0) return;
    stepStartedMs = now();
    const computing = drafts.compute(wishes);
    post();
    scheduler.tried(await computing);
  }

  /** One pass between two steps, no longer than the step before it while sequences wait for the next. */
  async function embed(lane: EmbeddingLane): Promise<void> {
    stepStartedMs = now();
    post();
    await lane.pass(scheduler.hasWork() ? (lastStepMs ?? 0) : undefined);
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
        case 'embed':
        case 'cancel-embedding':
          embeddings?.accept(command);
          break;
        default:
          assertNever(command);
      }
      wake.signal();
    },
    async run() {
      while (!stopped) {
        if (ports.drafts !== undefined) await draft(ports.drafts);
        // Its sequences may have left meanwhile: a loop that rests must not seem to compute.
        stepStartedMs = undefined;
        copies?.settle();
        const plan = scheduler.plan(now());
        if (plan !== undefined) await step(plan);
        else if (!embeddings?.hasWork()) await rest();
        if (embeddings?.hasWork()) await embed(embeddings);
        stepStartedMs = undefined;
      }
      // Nobody may free what they read and write before.
      await copies?.finished();
      copies?.settle();
      post();
    },
    stop() {
      stopped = true;
      wake.signal();
    },
    report: post,
    stepAgeMs: () => (stepStartedMs === undefined ? 0 : now() - stepStartedMs),
  };
}

/** Lets the loop sleep until somebody signals; a signal in between is not lost. */
export function createWake(): { wait(): Promise<void>; signal(): void } {
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
