// `npm run bench -- host-copies`: what it takes to copy a sequence's state to host memory and back, beside computing it.
// Why both are measured in one run: whether a copy pays is a ratio, and the machine's speed wavers from minute to minute.
// Saved to memory that a state was in before, as where host memory is full, and to fresh memory, as until it is.

import { cacheSeqId } from '../src/ids.ts';
import type { Kernel, ParkedState } from '../src/kernel-port.ts';
import { createKernel } from '../src/llama/kernel.ts';
import { startCommand } from './command.ts';
import { choiceFlag, countFlag, textFlag } from './flags.ts';
import { median } from './statistics.ts';
import { loadWeights } from './weights.ts';

const shape = {
  model: textFlag('models/octet-demo-f16.gguf', 'the model, a GGUF file'),
  tokens: textFlag('256,1024', 'comma list of lengths to copy and to compute'),
  layout: choiceFlag(['per-sequence', 'pooled'], 'layout of the cache'),
  sequences: countFlag(8, { min: 1, max: 256 }, 'sequences that the cache is made for'),
  kv: choiceFlag(['q8_0', 'f16'], 'number format of the cache'),
  threads: countFlag(2, { min: 1, max: 1024 }, 'CPU threads'),
  rounds: countFlag(7, { min: 3, max: 1000 }, 'copies of each length'),
  gpu: choiceFlag(['auto', 'cuda', 'vulkan', 'metal', 'off'], 'what computes'),
};

const chunkTokens = 512;
const mebibyte = 2 ** 20;
/** Enough for any state. */
const stateBytesMax = 16 * 2 ** 30;

/** Runs the command; returns the exit status. */
export async function main(argv: readonly string[]): Promise<number> {
  const title = 'octet bench host-copies: a state to host memory and back, beside computing it';
  const start = startCommand({ title, flags: shape }, argv);
  if (start.kind === 'ended') return start.status;
  const { flags } = start;
  const lengths = flags.tokens.split(',').map(Number);
  const model = await loadWeights(flags);
  const kernel = await createKernel({
    model,
    layout: flags.layout,
    cellCount: (Math.max(...lengths) + chunkTokens) * flags.sequences,
    sequencesMax: flags.sequences,
    batchTokensMax: chunkTokens,
    microBatchTokens: chunkTokens,
    kvTypes: { k: flags.kv, v: flags.kv },
    threads: flags.threads,
    stateBytesMax,
  });
  console.log(
    'tokens     MiB   compute ms   fresh ms   save ms   restore ms   save MiB/s   restore MiB/s   compute/copies',
  );
  for (const tokens of lengths) console.log(row(tokens, await measure(kernel, { tokens, rounds: flags.rounds })));
  kernel.dispose();
  model.dispose();
  return 0;
}

interface Measured {
  readonly bytes: number;
  readonly computeMs: number;
  readonly freshSaveMs: number;
  readonly saveMs: number;
  readonly restoreMs: number;
}

async function measure(kernel: Kernel, wish: { tokens: number; rounds: number }): Promise<Measured> {
  const [source, target] = [cacheSeqId(0), cacheSeqId(1)];
  kernel.truncate(source, 0);
  const computeMs = await timed(() => compute(kernel, wish.tokens));
  const save = (): { readonly state: ParkedState; readonly ms: number } => {
    const startedMs = performance.now();
    const state = kernel.park(source, wish.tokens);
    const ms = performance.now() - startedMs;
    if (state === undefined) throw new Error('the state cannot be saved');
    return { state, ms };
  };
  const freshSaves = Array.from({ length: wish.rounds }, save);
  for (const { state } of freshSaves) kernel.forget(state);
  const saves: number[] = [];
  const restores: number[] = [];
  let bytes = 0;
  for (let round = 0; round < wish.rounds; round++) {
    const { state, ms } = save();
    saves.push(ms);
    bytes = state.bytes.byteLength;
    kernel.truncate(target, 0);
    restores.push(
      await timed(() => {
        if (!kernel.restore(target, state)) throw new Error('the state does not go back');
      }),
    );
    kernel.forget(state);
  }
  kernel.truncate(target, 0);
  return {
    bytes,
    computeMs,
    freshSaveMs: median(freshSaves.map(({ ms }) => ms)) ?? Number.NaN,
    saveMs: median(saves) ?? Number.NaN,
    restoreMs: median(restores) ?? Number.NaN,
  };
}

async function compute({ batch, decode }: Kernel, tokens: number): Promise<void> {
  for (let from = 0; from < tokens; from += chunkTokens) {
    const count = Math.min(chunkTokens, tokens - from);
    for (let row = 0; row < count; row++) {
      batch.tokens[row] = 5 + ((from + row) % 1000);
      batch.positions[row] = from + row;
      batch.cacheSeqs[row] = 0;
      batch.outputs[row] = row === count - 1 ? 1 : 0;
    }
    const outcome = await decode(count);
    if (outcome.kind !== 'done') throw new Error(`the step ended as ${outcome.kind}`);
  }
}

async function timed(act: () => Promise<void> | void): Promise<number> {
  const startedMs = performance.now();
  await act();
  return performance.now() - startedMs;
}

function row(tokens: number, { bytes, computeMs, freshSaveMs, saveMs, restoreMs }: Measured): string {
  const size = bytes / mebibyte;
  const cells = [
    [String(tokens), 6],
    [size.toFixed(2), 8],
    [computeMs.toFixed(1), 13],
    [freshSaveMs.toFixed(2), 11],
    [saveMs.toFixed(2), 10],
    [restoreMs.toFixed(2), 13],
    [((size / saveMs) * 1000).toFixed(0), 13],
    [((size / restoreMs) * 1000).toFixed(0), 16],
    [(computeMs / (saveMs + restoreMs)).toFixed(0), 17],
  ] as const;
  return cells.map(([text, width]) => text.padStart(width)).join('');
}
