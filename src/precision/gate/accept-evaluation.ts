// Whether an evaluation report speaks for a KV type on a model file: the right model, the right pair, compared with f16 KV on the
// same weights, on enough answers, and few enough of them lost.
// Why answers and not divergence: a coarse K and a coarse V of equal divergence lose very different numbers of answers.

import { readFile } from 'node:fs/promises';
import { type KvTypes, referenceKvTypes } from '../../kv-types.ts';
import { kvName } from '../evaluate/cells.ts';
import { type Evaluation, type EvaluationRun, evaluationSchema } from '../evaluate/result-schema.ts';
import { signTest } from '../evaluate/statistics.ts';
import { percent } from './judge.ts';

export interface ServedPair {
  /** SHA-256 of the served file; of a split model, of its first part. */
  readonly sha256: string;
  readonly kv: KvTypes;
}

export interface ReportLimits {
  /** Share of answers that may be lost in the balance. */
  readonly accuracyLossMax: number;
}

/** Answers below which a report proves nothing. */
export const itemsMin = 100;
/** Chance below which a loss is more than luck. */
const chanceMax = 0.05;

export type ReportJudgement =
  | { readonly kind: 'passed'; readonly summary: string }
  | { readonly kind: 'refused'; readonly reason: string };

/** Reads a report; throws with a message for the operator when it is none. */
export async function readReport(path: string): Promise<Evaluation> {
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    throw new Error(`the evaluation report cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  });
  try {
    return evaluationSchema.parse(JSON.parse(text));
  } catch {
    throw new Error(`the evaluation report must be what octet evaluate --json writes. Given: ${path}`);
  }
}

/** Judges the report's run of a served pair. Pure. */
export function judgeReport(report: Evaluation, pair: ServedPair, limits: ReportLimits): ReportJudgement {
  const ofModel = report.runs.filter(({ weights }) => weights.sha256 === pair.sha256);
  if (ofModel.length === 0) return refused(`it is of another model file: ${modelsText(report, pair)}`);
  const run = ofModel.find(({ kv }) => kv.k === pair.kv.k && kv.v === pair.kv.v);
  if (run === undefined)
    return refused(`it has no run at ${kvName(pair.kv)} KV. It has: ${ofModel.map(({ kv }) => kvName(kv)).join(', ')}`);
  const reference = report.runs.find(({ isReference }) => isReference);
  if (reference === undefined || !isProperReference(reference, pair))
    return refused(
      `its reference must be ${kvName(referenceKvTypes)} KV on the same weights. It is: ${reference?.id ?? 'none'}`,
    );
  if (run.faults.length > 0) return refused(`its run at ${kvName(pair.kv)} KV has faults: ${run.faults.join('; ')}`);
  return judgeAnswers(run, limits);
}

function refused(reason: string): ReportJudgement {
  return { kind: 'refused', reason };
}

function modelsText({ runs }: Evaluation, { sha256 }: ServedPair): string {
  const models = new Set(runs.map(({ weights }) => `${weights.path} (SHA-256 ${weights.sha256.slice(0, 12)})`));
  return `${[...models].join(', ')}. Served: SHA-256 ${sha256.slice(0, 12)}`;
}

function isProperReference({ kv, weights }: EvaluationRun, { sha256 }: ServedPair): boolean {
  return weights.sha256 === sha256 && kv.k === referenceKvTypes.k && kv.v === referenceKvTypes.v;
}

/** All tasks together: each alone is too small to tell a small loss from luck. */
function judgeAnswers({ tasks }: EvaluationRun, { accuracyLossMax }: ReportLimits): ReportJudgement {
  const compared = tasks.filter(({ flips }) => flips !== undefined);
  const sum = (read: (task: EvaluationRun['tasks'][number]) => number) =>
    compared.reduce((total, task) => total + read(task), 0);
  const itemCount = sum(({ outcomes }) => outcomes.length);
  if (itemCount < itemsMin)
    return refused(`it must compare at least ${itemsMin} answers. It has: ${itemCount}; --suite and --tasks add some`);
  const gained = sum(({ flips }) => flips?.gained ?? 0);
  const lost = sum(({ flips }) => flips?.lost ?? 0);
  const summary = `${gained} answers gained and ${lost} lost of ${itemCount}`;
  const loss = (lost - gained) / itemCount;
  if (loss > accuracyLossMax)
    return refused(
      `the loss of accuracy must be at most ${percent(accuracyLossMax)}. It is: ${percent(loss)}, ${summary}`,
    );
  const chance = signTest(gained, lost);
  if (lost > gained && chance < chanceMax)
    return refused(`the loss is more than chance (p = ${chance.toFixed(3)}): ${summary}`);
  return { kind: 'passed', summary };
}
