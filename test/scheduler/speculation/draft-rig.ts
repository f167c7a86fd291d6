// The engine's loop over a fake target and a fake draft model, with a clock that is moved by what they compute.

import type { SampleRow } from '../../../src/kernel-port.ts';
import { createPooledCache } from '../../../src/kv/pooled-cache.ts';
import type { EngineStats } from '../../../src/ports.ts';
import { createEngineLoop, type EngineLoop } from '../../../src/scheduler/engine-loop.ts';
import { createScheduler } from '../../../src/scheduler/scheduler.ts';
import { createDraftCosts } from '../../../src/scheduler/speculation/draft-costs.ts';
import { createDraftLane } from '../../../src/scheduler/speculation/draft-lane.ts';
import { tokensAlone } from '../../../src/scheduler/speculation/row-inputs.ts';
import type { DrafterName } from '../../../src/scheduler/speculation/types.ts';
import { createFakeKernel, type FakeKernel } from '../../fakes/kernel.ts';
import { type CommandWish, generateCommand, Journal } from '../driver.ts';
import { plainOptions } from '../pooled-rig.ts';

export interface DraftRigOptions {
  /** By which the first step, which reads prompts, is held up. */
  readonly firstStepMs?: number;
  readonly commands: readonly CommandWish[];
  /** Milliseconds of a step of the target, and of each row beyond its sequences. */
  readonly stepMs?: number;
  readonly rowMs?: number;
  /** Milliseconds of a call of the draft model, and of each of its rows; undefined: none guesses. */
  readonly draft?: { readonly callMs: number; readonly rowMs: number } | undefined;
  /** Milliseconds more for the first calls of the draft model, to so many of them. */
  readonly heldUp?: { readonly calls: number; readonly ms: number };
  /** What the draft model is thought to cost before it was measured. */
  readonly costShare?: number;
  readonly cellCount?: number;
  readonly cacheSeqCount?: number;
  readonly vocabularySize?: number;
  /** Who guesses, by name; a draft model unless said. */
  readonly by?: DrafterName;
  /** What the draft model says instead of what it thinks; `place`: calls before this one in its round. */
  readonly misguess?: (row: SampleRow, token: number, place: number) => number;
  readonly drawTarget?: (row: SampleRow) => number;
  readonly drawDraft?: (row: SampleRow) => number;
  /** Called in each call of the draft model. */
  readonly onDraft?: (loop: EngineLoop, kernel: FakeKernel) => void;
}

export interface DraftRun {
  readonly journal: Journal;
  readonly elapsedMs: number;
  readonly stats: EngineStats;
  readonly warnings: readonly string[];
  readonly draftCalls: number;
  /** The longest time without a step of the target. */
  readonly longestDraftMs: number;
  /** What the loop said of a step in progress when nothing was left. */
  readonly restAgeMs: number | undefined;
}

const blockTokens = 4;

/** Runs all commands to their end; throws when a law is broken or the draft model keeps anything. */
export async function runDrafting(options: DraftRigOptions): Promise<DraftRun> {
  const { commands, stepMs = 10, rowMs = 0.2, vocabularySize = 50 } = options;
  const sequencesMax = commands.length;
  const journal = new Journal();
  const warnings: string[] = [];
  const faults: string[] = [];
  const clock = { nowMs: 0, stepEndedMs: 0, longestDraftMs: 0 };
  const cache = createPooledCache({ blockCount: 400, blockTokens, cacheSeqCount: 2 * sequencesMax });
  const real = createFakeKernel({
    cellCount: 400 * blockTokens,
    cacheSeqCount: 2 * sequencesMax,
    vocabularySize,
    batchTokensMax: 256,
    onDecode: (rows) => {
      clock.longestDraftMs = Math.max(clock.longestDraftMs, clock.nowMs - clock.stepEndedMs);
      clock.nowMs += stepMs + rowMs * Math.max(rows - sequencesMax, 0);
      if (clock.stepEndedMs === 0) clock.nowMs += options.firstStepMs ?? 0;
      clock.stepEndedMs = clock.nowMs;
    },
  });
  const { drawTarget } = options;
  const kernel =
    drawTarget === undefined
      ? real
      : { ...real, sample: async (rows: readonly SampleRow[]) => Int32Array.from(rows, drawTarget) };
  const drafts = options.draft === undefined ? undefined : openLane(options, { clock, warnings, loop: () => loop });
  const scheduler = createScheduler(
    {
      ...plainOptions,
      sequencesMax,
      stepTokensMax: 256,
      contextTokensMax: 400 * blockTokens,
      speculation:
        drafts === undefined
          ? undefined
          : {
              proposer: drafts.proposer,
              drafter: drafts.drafter,
              draftTokensMax: 8,
              extraRowsMax: 128,
              equalRows: false,
            },
    },
    cache,
  );
  const openIds = new Set(commands.flatMap(({ ids }) => ids));
  let stats: EngineStats | undefined;
  let restAgeMs: number | undefined;
  const loop = createEngineLoop({
    scheduler,
    cache,
    kernel,
    drafts,
    now: () => clock.nowMs,
    post(report) {
      journal.note(report.events);
      stats = report.stats;
      if (!scheduler.hasWork()) restAgeMs = loop.stepAgeMs();
      for (const id of journal.ends.keys()) openIds.delete(id);
      if (openIds.size === 0 || !scheduler.hasWork()) loop.stop();
    },
    onFault: (broken) => void faults.push(...broken),
  });
  for (const command of commands) loop.accept(generateCommand(command));
  await loop.run();
  drafts?.sweep();
  faults.push(...scheduler.check(), ...(drafts?.check() ?? []));
  if ((drafts?.heldCount() ?? 0) > 0) faults.push('the draft model holds what nobody needs');
  if (faults.length > 0 || stats === undefined) throw new Error(faults.join('; ') || 'nothing was reported');
  const { nowMs: elapsedMs, longestDraftMs } = clock;
  return { journal, elapsedMs, longestDraftMs, restAgeMs, stats, warnings, draftCalls: drafts?.callCount() ?? 0 };
}

interface LaneParts {
  readonly clock: { nowMs: number };
  readonly warnings: string[];
  readonly loop: () => EngineLoop;
}

function openLane(options: DraftRigOptions, { clock, warnings, loop }: LaneParts) {
  const { draft = { callMs: 0, rowMs: 0 }, heldUp = { calls: 0, ms: 0 }, vocabularySize = 50 } = options;
  const { misguess, drawDraft } = options;
  let callsInRound = 0;
  const real = createFakeKernel({
    cellCount: options.cellCount ?? 2000,
    cacheSeqCount: options.cacheSeqCount ?? 32,
    vocabularySize,
    batchTokensMax: 64,
    onDecode: (rows) => {
      clock.nowMs += draft.callMs + draft.rowMs * rows + (real.steps < heldUp.calls ? heldUp.ms : 0);
      callsInRound += 1;
      options.onDraft?.(loop(), real);
    },
  });
  const lane = createDraftLane({
    by: options.by ?? 'draft',
    inputs: tokensAlone,
    kernel: {
      ...real,
      async sample(rows) {
        const tokens = drawDraft === undefined ? await real.sample(rows) : Int32Array.from(rows, drawDraft);
        if (misguess === undefined) return tokens;
        return tokens.map((token, index) => {
          const row = rows[index];
          return row === undefined ? token : misguess(row, token, callsInRound - 1);
        });
      },
    },
    costs: createDraftCosts(options.costShare ?? 0.1),
    contextTokensMax: 1000,
    vocabularySize,
    endTokenIds: [],
    now: () => clock.nowMs,
    warn: (text) => void warnings.push(text),
  });
  return {
    ...lane,
    compute(wishes: Parameters<typeof lane.compute>[0]) {
      callsInRound = 0;
      return lane.compute(wishes);
    },
    callCount: () => real.steps,
  };
}
