// A bare decode loop over the kernel port: one token a sequence and step, no scheduler, no HTTP, no text.
// Why it is the ceiling: a server that adds nothing at all to the kernels would run exactly this.

import { cacheSeqId } from '../../src/ids.ts';
import type { Kernel, SampleRow } from '../../src/kernel-port.ts';
import type { SamplingParams } from '../../src/sampling-params.ts';

export interface LoopShape {
  readonly sequenceCount: number;
  /** Tokens in each sequence before the first measured step. */
  readonly promptTokens: number;
  readonly stepCount: number;
  readonly sampling: SamplingParams;
}

export interface LoopTimes {
  /** Milliseconds of the native call, one entry a step. */
  readonly decodeMs: readonly number[];
  /** Milliseconds of native call and draw together, one entry a step. */
  readonly stepMs: readonly number[];
  /** Milliseconds for all prompts. */
  readonly promptMs: number;
}

/** Fills every sequence with a prompt of its own, then decodes; throws when a step does not succeed. The cache is left empty. */
export async function runDecodeLoop(kernel: Kernel, shape: LoopShape): Promise<LoopTimes> {
  const sequences = Array.from({ length: shape.sequenceCount }, (_, id) => createSequence(kernel, id, shape));
  const promptMs = await fillPrompts(kernel, sequences, shape);
  const decodeMs: number[] = [];
  const stepMs: number[] = [];
  for (let step = 0; step < shape.stepCount; step++) {
    const started = performance.now();
    writeStep(kernel, sequences);
    const draws = sequences.map((sequence, row) => sampleRow(sequence, row, shape.sampling));
    await decodeAll(kernel, sequences.length, draws);
    decodeMs.push(performance.now() - started);
    const drawn = await kernel.sample(draws);
    sequences.forEach((sequence, row) => {
      sequence.tokens[sequence.tokenCount] = drawn[row] ?? 0;
      sequence.tokenCount += 1;
    });
    stepMs.push(performance.now() - started);
  }
  for (const { id } of sequences) kernel.truncate(cacheSeqId(id), 0);
  return { decodeMs, stepMs, promptMs };
}

interface LoopSequence {
  readonly id: number;
  /** Shape (promptTokens + stepCount + 1,). */
  readonly tokens: Int32Array;
  tokenCount: number;
}

/** Token ids differ from sequence to sequence; the prompt's last token is left for the first step. */
function createSequence({ limits }: Kernel, id: number, { promptTokens, stepCount }: LoopShape): LoopSequence {
  const tokens = new Int32Array(promptTokens + stepCount + 1);
  for (let index = 0; index < promptTokens; index++)
    tokens[index] = ((Math.imul(id + 1, 7919) + Math.imul(index, 104_729)) % (limits.vocabularySize >>> 1)) >>> 0;
  return { id, tokens, tokenCount: promptTokens };
}

async function fillPrompts(kernel: Kernel, sequences: readonly LoopSequence[], shape: LoopShape): Promise<number> {
  const started = performance.now();
  const { batch, limits } = kernel;
  let row = 0;
  for (const { id, tokens } of sequences) {
    for (let position = 0; position < shape.promptTokens - 1; position++) {
      batch.tokens[row] = tokens[position] ?? 0;
      batch.positions[row] = position;
      batch.cacheSeqs[row] = id;
      batch.outputs[row] = 0;
      row += 1;
      if (row < limits.batchTokensMax) continue;
      await decodeAll(kernel, row);
      row = 0;
    }
  }
  if (row > 0) await decodeAll(kernel, row);
  return performance.now() - started;
}

function writeStep({ batch }: Kernel, sequences: readonly LoopSequence[]): void {
  sequences.forEach(({ id, tokens, tokenCount }, row) => {
    batch.tokens[row] = tokens[tokenCount - 1] ?? 0;
    batch.positions[row] = tokenCount - 1;
    batch.cacheSeqs[row] = id;
    batch.outputs[row] = 1;
  });
}

async function decodeAll(kernel: Kernel, rowCount: number, draws: readonly SampleRow[] = []): Promise<void> {
  const outcome = await kernel.decode(rowCount, () => draws);
  if (outcome.kind !== 'done') throw new Error(`a step of ${rowCount} rows failed: ${JSON.stringify(outcome)}`);
}

function sampleRow(sequence: LoopSequence, batchIndex: number, sampling: SamplingParams): SampleRow {
  const { id, tokens, tokenCount } = sequence;
  return { batchIndex, sampling, seed: id, tokens, tokenCount, generatedCount: 0, ignoreEos: true };
}
