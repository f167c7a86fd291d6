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
  const expected = 'the evaluation report must be what octet evaluate --json writes';
  const read = evaluationSchema.safeParse(parsedJson(text, `${expected}. Given: ${path}`));
  if (read.success) return read.data;
  const [first] = read.error.issues;
  const where = first === undefined || first.path.length === 0 ? 'the whole' : first.path.join('.');
  throw new Error(`${expected}. Given: ${path}, which differs at ${where}: ${first?.message ?? 'unknown'}`);
}

function parsedJson(text: string, message: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`${message}, which is no JSON: ${error instanceof Error ? error.message : String(error)}`);
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

/**
 * All tasks together, because most alone are too small to tell a small loss from luck; and each that is not too small, so that luck
 * elsewhere does not outweigh what it lost.
 */
function judgeAnswers({ tasks }: EvaluationRun, { accuracyLossMax }: ReportLimits): ReportJudgement {
  const counts = tasks.flatMap(({ name, flips, outcomes }) =>
    flips === undefined ? [] : [{ name, itemCount: outcomes.length, gained: flips.gained, lost: flips.lost }],
  );
  const total = counts.reduce(
    (sum, { itemCount, gained, lost }) => ({
      itemCount: sum.itemCount + itemCount,
      gained: sum.gained + gained,
      lost: sum.lost + lost,
    }),
    { itemCount: 0, gained: 0, lost: 0 },
  );
  if (total.itemCount < itemsMin)
    return refused(
      `it must compare at least ${itemsMin} answers. It has: ${total.itemCount}; --suite and --tasks add some`,
    );
  const large = counts.filter(({ itemCount }) => itemCount >= itemsMin);
  const reasons = [
    lossReason(total, accuracyLossMax),
    ...large.map(({ name, ...count }) => prefixed(`of ${name} alone, `, lossReason(count, accuracyLossMax))),
  ];
  const reason = reasons.find((candidate) => candidate !== undefined);
  return reason === undefined ? { kind: 'passed', summary: summaryOf(total) } : refused(reason);
}

interface AnswerCount {
  readonly itemCount: number;
  readonly gained: number;
  readonly lost: number;
}

function summaryOf({ itemCount, gained, lost }: AnswerCount): string {
  return `${gained} answers gained and ${lost} lost of ${itemCount}`;
}

/** Why so many answers lost are too many; undefined when they are not. */
function lossReason(count: AnswerCount, accuracyLossMax: number): string | undefined {
  const { itemCount, gained, lost } = count;
  const loss = (lost - gained) / itemCount;
  if (loss > accuracyLossMax)
    return `the loss of accuracy must be at most ${percent(accuracyLossMax)}. It is: ${percent(loss)}, ${summaryOf(count)}`;
  const chance = signTest(gained, lost);
  if (lost > gained && chance < chanceMax)
    return `the loss is more than chance (p = ${chance.toFixed(3)}): ${summaryOf(count)}`;
  return undefined;
}

function prefixed(prefix: string, text: string | undefined): string | undefined {
  return text === undefined ? undefined : prefix + text;
}
