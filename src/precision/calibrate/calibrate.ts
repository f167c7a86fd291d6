// Calibration from files to a file: texts to windows, windows through the model, sums to an importance matrix.
// Why it stops between windows only: the sums are then those of whole windows, and another run can go on from them.

import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { realpath, stat } from 'node:fs/promises';
import type { Libraries } from '../../llama/libraries.ts';
import { type LlamaModel, loadModel } from '../../llama/model.ts';
import { metadataValue, readGguf } from '../gguf/read.ts';
import { collectActivations, isLayerWeight } from './collect.ts';
import { cutCalibrationWindows } from './cut-windows.ts';
import { type MatrixFile, matrixEntry } from './matrix.ts';
import { writeMatrixFile } from './matrix-file.ts';
import { readCalibrationTokens, type TextWish } from './read-texts.ts';
import type { SumsByTensor } from './sums.ts';
import { readUnfinishedRun, removeUnfinishedRun, unfinishedPath, writeUnfinishedRun } from './unfinished-run.ts';

export interface CalibrationWish extends Omit<TextWish, 'warn'> {
  /** An existing GGUF file; of a split model, its first part. */
  readonly modelPath: string;
  readonly target: string;
  /** Tokens of one window. */
  readonly contextTokens: number;
  /** Windows at most; undefined takes all. */
  readonly windowsMax: number | undefined;
  /** Also the inputs of the output layer. */
  readonly hasOutput: boolean;
  readonly threads: number;
  readonly gpuLayers: number;
}

export interface CalibrationPorts {
  readonly libraries: Libraries;
  readonly progress: { start(label: string, total: number): void; advance(done: number): void };
  /** Notes and warnings. */
  readonly tell: (text: string) => void;
  /** Ends after the window under way. */
  readonly signal: AbortSignal;
  /** Least time between two savings of what was measured. */
  readonly saveMs?: number;
}

export type CalibrationOutcome =
  | { readonly kind: 'finished'; readonly matrix: MatrixFile; readonly tokenCount: number; readonly bytes: number }
  /** What was measured is kept; the same call goes on from it. */
  | { readonly kind: 'interrupted'; readonly doneCount: number; readonly totalCount: number };

const saveMsDefault = 30_000;

/** Writes the matrix under `wish.target`. Throws with a message for the operator. */
export async function calibrate(wish: CalibrationWish, ports: CalibrationPorts): Promise<CalibrationOutcome> {
  await checkTarget(wish.target);
  const { libraries, tell } = ports;
  const model = await loadModel({ libraries, path: wish.modelPath, load: 'weights', gpuLayers: wish.gpuLayers });
  try {
    const { tokens, sha256 } = await readCalibrationTokens(model, { ...wish, warn: tell });
    const { contextTokens, windowsMax } = wish;
    warnOfContext(model, contextTokens, tell);
    const windows = cutCalibrationWindows(tokens, { contextTokens, windowsMax, beginning: beginningOf(model) });
    const runKey = await keyOf(wish, sha256, windows.length, libraries);
    return await measure({ wish, ports, model, windows, runKey });
  } finally {
    model.dispose();
  }
}

/** An older matrix is replaced; a model or anything else is not. */
async function checkTarget(target: string): Promise<void> {
  if (!existsSync(target)) return;
  const type = await readGguf(target).then(
    (file) => metadataValue(file, 'general.type'),
    () => undefined,
  );
  if (type !== 'imatrix')
    throw new Error(
      `the file to write must not exist, or be an importance matrix, which is replaced. Given: ${target}`,
    );
}

function warnOfContext({ shape }: LlamaModel, contextTokens: number, warn: (text: string) => void): void {
  if (shape.contextTokensTrained > 0 && contextTokens > shape.contextTokensTrained)
    warn(`the model was trained on ${shape.contextTokensTrained} tokens of context; --context is ${contextTokens}`);
}

function beginningOf({ libraries: { native }, vocabulary }: LlamaModel): number | undefined {
  return native.llama_vocab_get_add_bos(vocabulary) ? native.llama_vocab_bos(vocabulary) : undefined;
}

/** A digest of everything that the sums depend on. The model counts by place, size and time: its content takes too long. */
async function keyOf(
  { modelPath, contextTokens, hasOutput }: CalibrationWish,
  tokens: string,
  windowCount: number,
  { native }: Libraries,
): Promise<string> {
  const path = await realpath(modelPath);
  const { size, mtimeMs } = await stat(path);
  const facts = [path, size, mtimeMs, tokens, contextTokens, hasOutput, windowCount, native.llama_version()];
  return createHash('sha256').update(JSON.stringify(facts)).digest('hex');
}

interface Run {
  readonly wish: CalibrationWish;
  readonly ports: CalibrationPorts;
  readonly model: LlamaModel;
  readonly windows: readonly Int32Array[];
  readonly runKey: string;
}

async function measure({ wish, ports, model, windows, runKey }: Run): Promise<CalibrationOutcome> {
  const { target, threads, contextTokens } = wish;
  const path = unfinishedPath(target);
  const found = await readUnfinishedRun(path, runKey);
  if (found.kind === 'other') ports.tell(`${path} is left out (${found.reason}) and will be replaced`);
  const before = found.kind === 'found' ? found.doneCount : 0;
  const resumed = before > 0 ? `, going on after ${before}` : '';
  ports.tell(`calibrating on ${windows.length} windows of ${contextTokens} tokens${resumed}`);
  const left = windows.slice(before);
  let doneCount = before;
  let savedMs = performance.now();
  ports.progress.start('windows', left.length);
  const sums = await collectActivations({
    model,
    threads,
    windows: left,
    wants: wantedWeights(wish),
    ...(found.kind === 'found' ? { start: found.sums } : {}),
    async onWindow(count, soFar) {
      doneCount = before + count;
      ports.progress.advance(count);
      const isLast = count === left.length;
      const isStopped = ports.signal.aborted && !isLast;
      if (isStopped || (!isLast && performance.now() - savedMs > (ports.saveMs ?? saveMsDefault))) {
        await writeUnfinishedRun(path, runKey, { sums: soFar, doneCount });
        savedMs = performance.now();
      }
      return !isStopped;
    },
  });
  if (doneCount < windows.length) return { kind: 'interrupted', doneCount, totalCount: windows.length };
  const origin = { datasets: wish.paths, chunkCount: windows.length, chunkTokens: contextTokens };
  const bytes = await writeMatrixFile(target, sums, origin);
  removeUnfinishedRun(path);
  return {
    kind: 'finished',
    bytes,
    tokenCount: windows.length * contextTokens,
    matrix: { ...origin, entries: entriesOf(sums) },
  };
}

/** The output layer is `output.weight`, or the table of embeddings where a model has one table for both. */
function wantedWeights({ hasOutput }: CalibrationWish): (weight: string) => boolean {
  const output = ['output.weight', 'token_embd.weight'];
  return (weight) => isLayerWeight(weight) || (hasOutput && output.includes(weight));
}

function entriesOf(sums: SumsByTensor): MatrixFile['entries'] {
  return new Map([...sums].map(([name, each]) => [name, matrixEntry(each)]));
}
