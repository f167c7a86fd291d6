// The kernel contract on llama.cpp: the embedded model in both layouts, and models whose caches cannot be shared.

import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, describe } from 'vitest';
import { assert } from '../../src/assert.ts';
import type { Kernel, KvLayout } from '../../src/kernel-port.ts';
import { createKernel, type KernelOptions } from '../../src/llama/kernel.ts';
import { loadLibraries } from '../../src/llama/libraries.ts';
import { type LlamaModel, loadModel } from '../../src/llama/model.ts';
import { createTokenizer } from '../../src/llama/tokenizer.ts';
import { type ArchModel, archModelPath } from '../arch-models.ts';
import { besideLaws } from './beside-laws.ts';
import { kernelContract } from './kernel-contract.ts';
import type { KernelSubject } from './kernel-driver.ts';

const demoModel = fileURLToPath(new URL('../../models/octet-demo-f16.gguf', import.meta.url));

function load(path: string, kind: 'weights' | 'vocabulary'): Promise<LlamaModel> {
  const libraries = loadLibraries({ gpu: 'off', log: () => undefined });
  return loadModel({ libraries, path, load: kind, gpuLayers: 0 });
}

interface Opening extends Pick<KernelOptions, 'copies' | 'stateBytesMax'> {
  readonly layout: KvLayout;
  readonly drawing: 'host' | 'graph';
}

async function openKernel(model: LlamaModel, opening: Opening) {
  const { drawing } = opening;
  const kernel = await createKernel({
    model,
    ...opening,
    cellCount: 1024,
    sequencesMax: 4,
    batchTokensMax: 64,
    microBatchTokens: 64,
    kvTypes: { k: 'q8_0', v: 'q8_0' },
    threads: 1,
    samplingThreads: 1,
  });
  assert(kernel.drawing.place === drawing, `it draws in the ${drawing}: ${kernel.drawing.reason}`);
  return kernel;
}

/** The suite on a model that is loaded once. */
function contractOn(path: string, subject: Omit<KernelSubject, 'open'>, drawing: 'host' | 'graph'): void {
  let model: LlamaModel;
  beforeAll(async () => {
    model = await load(path, 'weights');
  });
  afterAll(() => model.dispose());
  kernelContract({ ...subject, open: () => openKernel(model, { layout: subject.layout, drawing }) });
}

/** Answers that the embedded model copies from the question: no near ties. */
async function copyPrompts(): Promise<KernelSubject['prompts']> {
  const vocabulary = await load(demoModel, 'vocabulary');
  const tokenizer = createTokenizer(vocabulary);
  const ask = (words: string): number[] => [
    ...tokenizer.tokenize(
      `<|im_start|>user\nRepeat after me: ${words}<|im_end|>\n<|im_start|>assistant\n${words.slice(0, 7)}`,
      { special: true, bos: true },
    ),
  ];
  return [ask('hello world'), ask('apple banana'), ask('the green house by the sea')];
}

const demoPrompts = await copyPrompts();

describe.each([
  ['pooled', 'host'],
  ['per-sequence', 'graph'],
] as const)('llama.cpp with full attention, %s, drawing in the %s', (layout, drawing) => {
  contractOn(demoModel, { layout, sharesPrefixes: true, prompts: demoPrompts }, drawing);
});

describe('llama.cpp that copies beside its steps', () => {
  const opening = { layout: 'per-sequence', drawing: 'graph', copies: 'beside', stateBytesMax: 2 ** 24 } as const;
  let model: LlamaModel;
  let kernel: Kernel;
  beforeAll(async () => {
    model = await load(demoModel, 'weights');
  });
  afterAll(() => model.dispose());
  beforeEach(async () => {
    kernel = await openKernel(model, opening);
  });
  afterEach(() => kernel.dispose());
  const open = () => openKernel(model, opening);
  besideLaws({ layout: 'per-sequence', sharesPrefixes: true, prompts: demoPrompts, open }, () => kernel);
});

/** Any tokens will do: with random weights the leading logits are hardly ever close. */
const tokens = (seed: number, length: number): number[] =>
  Array.from({ length }, (_, index) => 40 + ((index * 31 + seed * 17 + index * index * seed) % 80));

describe.each<ArchModel>(['gemma3-dense', 'qwen35-dense', 'mamba2-dense'])('llama.cpp with %s', (name) => {
  const prompts: KernelSubject['prompts'] = [tokens(1, 20), tokens(2, 24), tokens(3, 40)];
  contractOn(archModelPath(name), { layout: 'per-sequence', sharesPrefixes: false, prompts }, 'host');
});
