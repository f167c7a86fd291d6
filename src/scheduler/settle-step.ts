// After a decode: prompts are scored, rows get their masks, tokens are drawn and scored.
// The order is the rows' own: prompts before masks, which may end a sequence; kept rows before the draw, which changes them.

import { must } from '../assert.ts';
import type { SequenceMasks } from '../grammar-port.ts';
import { tokenId } from '../ids.ts';
import type { DecodeOutcome } from '../kernel-port.ts';
import type { MaskTiming, StepTiming } from '../ports.ts';
import type { Drawing } from './apply-step.ts';
import type { GrammarGate } from './grammar-gate.ts';
import { type PerformPorts, performOps } from './perform-plan.ts';
import type { StepPlan } from './step-plan.ts';

export interface SettlePorts extends PerformPorts {
  readonly gate: GrammarGate;
  readonly masks?: SequenceMasks | undefined;
}

/** `copyMs`: copies to host memory of what made room meanwhile, which are no part of `sampleMs`. */
type DrawTiming = Pick<StepTiming, 'sampleMs' | 'masks' | 'copyMs'>;

/** Applies the decode's outcome; answers how long drawing took, and copying. */
export async function settle(
  ports: SettlePorts,
  plan: StepPlan,
  { outcome, lastRows }: { outcome: DecodeOutcome; lastRows: readonly number[] },
): Promise<DrawTiming> {
  const { scheduler, gate, now } = ports;
  if (outcome.kind !== 'done') {
    scheduler.failed(plan, outcome);
    return { sampleMs: 0, masks: undefined, copyMs: 0 };
  }
  const computed = scheduler.computed(plan, { lastRows, nowMs: now() });
  const computedCopyMs = performOps(ports);
  if (computed.rows.length === 0 && computed.scorings.length === 0)
    return { sampleMs: 0, masks: undefined, copyMs: computedCopyMs };
  const startedMs = now();
  let drawnCopyMs = 0;
  let masks: MaskTiming | undefined;
  try {
    await scorePrompts(ports, computed);
    const askedMs = now();
    const drawing = await gate.mask(computed);
    const rowCount = drawing.rows.filter(({ mask }) => mask !== undefined).length;
    const threadMs = ports.masks?.takeMaskMs() ?? 0;
    if (rowCount > 0) masks = { rowCount, waitMs: now() - askedMs, threadMs };
    await draw(ports, drawing);
    // Guesses that were wrong leave the cache before anything else is computed.
    drawnCopyMs = performOps(ports);
  } catch (error) {
    scheduler.failed(plan, { kind: 'failed', code: samplingFailedCode, reason: String(error) });
  }
  return { sampleMs: now() - startedMs - drawnCopyMs, masks, copyMs: computedCopyMs + drawnCopyMs };
}

/** Before masks, which may end a sequence: its prompt is told of all the same. */
async function scorePrompts({ scheduler, kernel }: SettlePorts, drawing: Drawing): Promise<void> {
  if (drawing.scorings.length === 0) return;
  scheduler.scored(drawing, await kernel.score(drawing.scorings.flatMap(({ rows }) => rows)));
}

/** Draws, and scores what was drawn: from logits that the draw has not changed. */
async function draw({ scheduler, kernel, now }: SettlePorts, drawing: Drawing): Promise<void> {
  if (drawing.rows.length === 0) return;
  const wishes = wishesOf(drawing);
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

/** Rows whose draws are to be scored: mostly none. */
function wishesOf({ sequences }: Drawing): { readonly index: number; readonly topCount: number }[] {
  const wishes: { index: number; topCount: number }[] = [];
  sequences.forEach(({ command: { logprobs } }, index) => {
    if (logprobs?.outputTopCount !== undefined) wishes.push({ index, topCount: logprobs.outputTopCount });
  });
  return wishes;
}

/** Outside of llama_decode's own codes. */
const samplingFailedCode = -1000;
