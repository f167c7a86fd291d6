// `npm run bench -- adapters`: what it costs to change adapters between two steps, for a model and a number of sequences.
// Why made here: the cost does not depend on what an adapter says, only on which matrices it touches; these touch all of them.
// Why with the log heard as well: it shows what silence during the step after a change is for (src/llama/adapters.ts).

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadAdapters } from '../src/llama/adapters.ts';
import { createKernel, type NativeKernel } from '../src/llama/kernel.ts';
import { metadataValue, readGguf } from '../src/precision/gguf/read.ts';
import { scalarEntry } from '../src/precision/gguf/values.ts';
import { writeGguf } from '../src/precision/gguf/write.ts';
import { startCommand } from './command.ts';
import { choiceFlag, countFlag, textFlag } from './flags.ts';
import { createRandom } from './random.ts';
import { median } from './statistics.ts';
import { loadWeights } from './weights.ts';

const shape = {
  model: textFlag('models/octet-demo-f16.gguf', 'the model, a GGUF file'),
  rank: countFlag(16, { min: 1, max: 4096 }, 'rank of the adapters'),
  sequences: countFlag(8, { min: 1, max: 256 }, 'sequences in each step'),
  threads: countFlag(2, { min: 1, max: 1024 }, 'CPU threads'),
  rounds: countFlag(40, { min: 5, max: 10_000 }, 'steps of each kind'),
  gpu: choiceFlag(['auto', 'cuda', 'vulkan', 'metal', 'off'], 'what computes'),
};

const cellsEach = 1024;
const names = ['one', 'two'] as const;
const matrices = /^blk\.\d+\.(attn_(q|k|v|output)|ffn_(gate|up|down))\.weight$/;

export async function main(argv: readonly string[]): Promise<number> {
  const title = 'octet bench adapters: cost of changing adapters between two steps';
  const start = startCommand({ title, flags: shape }, argv);
  if (start.kind === 'ended') return start.status;
  const { flags } = start;
  const folder = mkdtempSync(join(tmpdir(), 'octet-bench-adapters-'));
  try {
    const files = names.map((name) => ({ name, path: join(folder, `${name}.gguf`), scale: 1 }));
    for (const [seed, { path }] of files.entries()) await writeRandomAdapter(path, { ...flags, seed });
    const model = await loadWeights(flags);
    const { libraries } = model;
    const loud = { ...model, libraries: { ...libraries, silence: () => () => undefined } };
    for (const [label, of] of [
      ['silent', model],
      ['log heard', loud],
    ] as const) {
      const adapters = await loadAdapters(model, files);
      const kernel = await createKernel({
        model: of,
        adapters,
        layout: 'per-sequence',
        cellCount: cellsEach * flags.sequences,
        sequencesMax: flags.sequences,
        batchTokensMax: 512,
        microBatchTokens: 512,
        kvTypes: { k: 'f16', v: 'f16' },
        threads: flags.threads,
      });
      console.log(`${label}: ${describe(await measure(kernel, flags))}`);
      kernel.dispose();
    }
    model.dispose();
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return 0;
}

interface AdapterWish {
  readonly model: string;
  readonly rank: number;
  readonly seed: number;
}

async function writeRandomAdapter(path: string, { model, rank, seed }: AdapterWish): Promise<void> {
  const file = await readGguf(model);
  const random = createRandom(seed + 1);
  const tensors = file.tensors
    .filter(({ name }) => matrices.test(name))
    .flatMap(({ name, shape: [input = 1, output = 1] }) => [
      { name: `${name}.lora_a`, shape: [input, rank], type: 'f32' as const },
      { name: `${name}.lora_b`, shape: [rank, output], type: 'f32' as const },
    ]);
  const entries = [
    scalarEntry('general.type', 'string', 'adapter'),
    scalarEntry('general.architecture', 'string', String(metadataValue(file, 'general.architecture'))),
    scalarEntry('adapter.type', 'string', 'lora'),
    scalarEntry('adapter.lora.alpha', 'float32', rank),
  ];
  await writeGguf(path, { entries, tensors }, (tensor) => {
    const count = tensor.shape.reduce((product, size) => product * size, 1);
    return [new Uint8Array(Float32Array.from({ length: count }, () => (random() - 0.5) / 100).buffer)];
  });
}

/** Milliseconds of steps without an adapter, with one, and with one that was changed before it; medians. */
interface Measured {
  readonly plainMs: number;
  readonly adapterMs: number;
  readonly changeMs: number;
}

async function measure(
  kernel: NativeKernel,
  { sequences, rounds }: { sequences: number; rounds: number },
): Promise<Measured> {
  const times = { plain: [] as number[], adapter: [] as number[], change: [] as number[] };
  let position = 0;
  const step = async (adapter: string | undefined): Promise<number> => {
    for (let seq = 0; seq < sequences; seq++) {
      kernel.batch.tokens[seq] = 5 + seq;
      kernel.batch.positions[seq] = position;
      kernel.batch.cacheSeqs[seq] = seq;
      kernel.batch.outputs[seq] = 1;
    }
    position += 1;
    const started = performance.now();
    kernel.useAdapter(adapter);
    await kernel.decode(sequences);
    return performance.now() - started;
  };
  // Kinds in turn, so that a busy moment falls on all of them.
  for (let round = 0; round < rounds; round++) {
    await step(undefined);
    times.plain.push(await step(undefined));
    times.change.push(await step(names[0]));
    times.adapter.push(await step(names[0]));
    times.change.push(await step(names[1]));
  }
  const of = (list: readonly number[]) => median(list) ?? Number.NaN;
  return { plainMs: of(times.plain), adapterMs: of(times.adapter), changeMs: of(times.change) };
}

function describe({ plainMs, adapterMs, changeMs }: Measured): string {
  const ms = (value: number) => `${value.toFixed(2)} ms`;
  return `no adapter ${ms(plainMs)}, adapter ${ms(adapterMs)}, adapter after a change ${ms(changeMs)} (+${ms(changeMs - adapterMs)})`;
}
