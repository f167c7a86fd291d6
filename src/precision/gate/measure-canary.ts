// Measures a KV type on the canary's text against f16 KV on the same weights: both caches side by side, rows compared whole.
// Why the same weights for both: they are loaded once, and what differs is the KV type alone.
// Why one window at a time: the clock is looked at between windows, and a slow machine still gets an answer from a few.

import { availableParallelism } from 'node:os';
import { checkKvTypes, type KvTypes, referenceKvTypes } from '../../kv-types.ts';
import type { Libraries } from '../../llama/libraries.ts';
import { type LlamaModel, loadModel } from '../../llama/model.ts';
import type { RowScorer } from '../../llama/scoring/row-scorer.ts';
import { createTokenizer } from '../../llama/tokenizer.ts';
import type { CanaryNumbers, CanaryOutcome } from '../../precision-status.ts';
import { createDivergenceColumns, type DivergenceColumns, summarizeDivergence } from '../evaluate/divergence.ts';
import { type Lane, openLane, openRowScorer } from '../evaluate/lane.ts';
import { scoredTotal } from '../evaluate/perplexity.ts';
import { comparePairs } from '../evaluate/score-windows.ts';
import { cutWindows, type Window } from '../evaluate/windows.ts';
import type { CanaryRequest } from './canary-request.ts';

export interface CanaryPorts {
  readonly libraries: Libraries;
  /** Seconds since the measurement was asked for. */
  readonly elapsedSeconds: () => number;
  /** 0 to 1 of the windows. */
  readonly onProgress: (fraction: number) => void;
}

const windowTokens = 512;
/** Rows before it have so little context that a cache hardly matters. */
const firstScoredRow = 32;

/** Throws when the model cannot be loaded or the kernels fail. */
export async function measureCanary(request: CanaryRequest, ports: CanaryPorts): Promise<CanaryOutcome> {
  const { modelPath: path, gpuLayers } = request;
  const model = await loadModel({ libraries: ports.libraries, path, load: 'weights', gpuLayers });
  try {
    const obstacle = obstacleOf(model, request);
    if (obstacle !== undefined) return obstacle;
    const loadedSeconds = ports.elapsedSeconds();
    if (loadedSeconds >= request.secondsMax)
      return { kind: 'skipped', reason: `loading took ${seconds(loadedSeconds)}` };
    const windows = await readWindows(model, request);
    const numbers = await compareInTime({ model, windows, request }, ports);
    return { kind: 'measured', numbers, gpu: ports.libraries.gpu };
  } finally {
    model.dispose();
  }
}

export function seconds(value: number): string {
  return `${value.toFixed(value < 10 ? 1 : 0)} s`;
}

/** What makes a comparison needless or impossible. */
function obstacleOf({ shape, libraries }: LlamaModel, { kvTypes }: CanaryRequest): CanaryOutcome | undefined {
  if (shape.isRecurrent) return { kind: 'not-needed', reason: 'the model keeps a state and no keys and values' };
  const { headSizeK, headSizeV } = shape;
  const { errors } = checkKvTypes({ ...kvTypes, headSizeK, headSizeV, gpu: libraries.gpu });
  return errors.length > 0 ? { kind: 'failed', reason: errors.join('; ') } : undefined;
}

async function readWindows(model: LlamaModel, { text, tokensMax }: CanaryRequest): Promise<readonly Window[]> {
  const { native } = model.libraries;
  const tokens = await createTokenizer(model).tokenizeAsync(text, { special: false, bos: true });
  const contextTokens = Math.min(windowTokens, model.shape.contextTokensTrained || windowTokens);
  const { vocabulary } = model;
  const windows = cutWindows(tokens, {
    contextTokens,
    windowsMax: Math.max(1, Math.floor(tokensMax / contextTokens)),
    beginning: native.llama_vocab_get_add_bos(vocabulary) ? native.llama_vocab_bos(vocabulary) : undefined,
  });
  return windows.map((window) => ({ ...window, firstRow: Math.min(firstScoredRow, window.firstRow) }));
}

interface Comparison {
  readonly model: LlamaModel;
  readonly windows: readonly Window[];
  readonly request: CanaryRequest;
}

async function compareInTime({ model, windows, request }: Comparison, ports: CanaryPorts): Promise<CanaryNumbers> {
  const threads = request.threads || availableParallelism();
  const lane = await openCanaryLane(model, { windows, threads, kvTypes: request.kvTypes });
  let reference: Lane | undefined;
  let scorer: RowScorer | undefined;
  try {
    reference = await openCanaryLane(model, { windows, threads, kvTypes: referenceKvTypes });
    scorer = await openRowScorer(lane, threads);
    const run = { lane, reference, scorer };
    const found = await compareWindows(run, { windows, secondsMax: request.secondsMax }, ports);
    return describe(found, { tokensPlanned: scoredTotal(windows), seconds: ports.elapsedSeconds() });
  } finally {
    await scorer?.dispose();
    reference?.dispose();
    lane.dispose();
  }
}

interface LaneWish {
  readonly windows: readonly Window[];
  readonly threads: number;
  readonly kvTypes: KvTypes;
}

function openCanaryLane(model: LlamaModel, { windows, threads, kvTypes }: LaneWish): Promise<Lane> {
  const sequenceTokens = Math.max(...windows.map(({ tokens }) => tokens.length));
  return openLane({ model, kvTypes, threads, layout: 'per-sequence', sequenceCount: 1, sequenceTokens });
}

interface Lanes {
  readonly lane: Lane;
  readonly reference: Lane;
  readonly scorer: RowScorer;
}

interface Found {
  readonly columns: DivergenceColumns;
  readonly flips: { gained: number; lost: number };
}

/** Compares windows until none is left, or until another one would take longer than there is time. */
async function compareWindows(
  lanes: Lanes,
  { windows, secondsMax }: { readonly windows: readonly Window[]; readonly secondsMax: number },
  { elapsedSeconds, onProgress }: CanaryPorts,
): Promise<Found> {
  const { columns, add } = createDivergenceColumns(scoredTotal(windows));
  const flips = { gained: 0, lost: 0 };
  let rowCount = 0;
  const startedSeconds = elapsedSeconds();
  for (const [index, window] of windows.entries()) {
    const eachSeconds = index === 0 ? 0 : (elapsedSeconds() - startedSeconds) / index;
    if (index > 0 && elapsedSeconds() + eachSeconds > secondsMax) break;
    await comparePairs({ ...lanes, windows: [window] }, (place, score) => {
      add(place, score);
      rowCount += 1;
      const isRight = score.topToken === place.target;
      const wasRight = score.reference.topToken === place.target;
      if (isRight && !wasRight) flips.gained += 1;
      if (wasRight && !isRight) flips.lost += 1;
    });
    onProgress((index + 1) / windows.length);
  }
  return { columns: firstRows(columns, rowCount), flips };
}

function firstRows(columns: DivergenceColumns, count: number): DivergenceColumns {
  return {
    loss: columns.loss.subarray(0, count),
    referenceLoss: columns.referenceLoss.subarray(0, count),
    divergence: columns.divergence.subarray(0, count),
    probabilityShift: columns.probabilityShift.subarray(0, count),
    sameTop: columns.sameTop.subarray(0, count),
    position: columns.position.subarray(0, count),
  };
}

function describe(
  { columns, flips }: Found,
  times: { readonly tokensPlanned: number; readonly seconds: number },
): CanaryNumbers {
  const summary = summarizeDivergence(columns);
  const { value: mean, standardError, median, p99, max } = summary.divergence;
  return {
    tokenCount: summary.tokenCount,
    tokensPlanned: times.tokensPlanned,
    divergence: { mean, standardError, median, p99, max },
    topAgreement: summary.sameTop.value,
    flips,
    perplexity: summary.perplexity.value,
    referencePerplexity: summary.referencePerplexity.value,
    seconds: times.seconds,
  };
}
