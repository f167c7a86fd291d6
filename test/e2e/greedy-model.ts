// A model in the test's own process, one sequence at a time: what the server would compute for a request alone.

import { assert, must } from '../../src/assert.ts';
import { cacheSeqId, type TokenId, tokenId } from '../../src/ids.ts';
import type { Kernel, SampleRow } from '../../src/kernel-port.ts';
import { createKernel, type KernelOptions } from '../../src/llama/kernel.ts';
import { loadLibraries } from '../../src/llama/libraries.ts';
import { loadModel } from '../../src/llama/model.ts';
import { prefixSharing } from '../../src/llama/model-shape.ts';
import { createTokenizer } from '../../src/llama/tokenizer.ts';
import { greedySampling, type LogitBias } from '../../src/sampling-params.ts';
import type { Tokenizer } from '../../src/text-ports.ts';

export interface GreedyModel {
  readonly tokenizer: Tokenizer;
  /** Forgets everything computed. */
  restart(): void;
  /** Computes tokens after those computed so far. */
  compute(tokens: ArrayLike<number>): Promise<void>;
  /** The most likely next token for each list of biases; shape (biases.length,). End-of-generation tokens are left out. */
  draw(biases: readonly (readonly LogitBias[])[]): Promise<readonly TokenId[]>;
  dispose(): void;
}

const seq = cacheSeqId(0);
const batchTokensMax = 512;

/** Loads a model with the KV type given; by default that of the server. */
export async function loadGreedyModel(
  path: string,
  kvType: KernelOptions['kvTypes']['k'] = 'q8_0',
): Promise<GreedyModel> {
  const libraries = loadLibraries({ gpu: 'off', log: () => undefined });
  const model = await loadModel({ libraries, path, load: 'weights', gpuLayers: 0 });
  const kernel = await createKernel({
    model,
    layout: prefixSharing(model.shape).kind === 'blocks' ? 'pooled' : 'per-sequence',
    cellCount: 4096,
    sequencesMax: 1,
    batchTokensMax,
    microBatchTokens: batchTokensMax,
    kvTypes: { k: kvType, v: kvType },
    threads: 1,
    samplingThreads: 0,
  });
  let position = 0;
  let lastRow = 0;
  return {
    tokenizer: createTokenizer(model),
    restart() {
      kernel.truncate(seq, 0);
      position = 0;
    },
    async compute(tokens) {
      for (let from = 0; from < tokens.length; from += batchTokensMax) {
        const count = Math.min(tokens.length - from, batchTokensMax);
        fillBatch(
          kernel,
          Array.from({ length: count }, (_, row) => must(tokens[from + row], 'a token of the list')),
          position,
        );
        const outcome = await kernel.decode(count);
        assert(outcome.kind === 'done', `the step succeeds: ${JSON.stringify(outcome)}`);
        position += count;
        lastRow = count - 1;
      }
    },
    draw: async (biases) => Array.from(await kernel.sample(biases.map((bias) => greedyRow(lastRow, bias))), tokenId),
    dispose() {
      kernel.dispose();
      model.dispose();
    },
  };
}

/** Logits are wanted of the last row alone. */
function fillBatch({ batch }: Kernel, tokens: readonly number[], position: number): void {
  batch.tokens.set(tokens);
  for (const row of tokens.keys()) batch.positions[row] = position + row;
  batch.cacheSeqs.fill(seq, 0, tokens.length);
  batch.outputs.fill(0, 0, tokens.length);
  batch.outputs[tokens.length - 1] = 1;
}

function greedyRow(batchIndex: number, logitBias: readonly LogitBias[]): SampleRow {
  return {
    batchIndex,
    sampling: { ...greedySampling, logitBias },
    seed: 0,
    tokens: new Int32Array(0),
    tokenCount: 0,
    generatedCount: 0,
    ignoreEos: true,
  };
}
