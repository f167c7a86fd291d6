// `npm run bench -- copies-beside`: what a copy of a state holds up those that decode, made beside their steps and between them.
// Why by the time of many steps: a copy beside steps costs no time of its own, and what it costs the steps is less than one step wavers.

import { must } from '../src/assert.ts';
import { cacheSeqId } from '../src/ids.ts';
import type { Kernel, ParkedState } from '../src/kernel-port.ts';
import { createKernel } from '../src/llama/kernel.ts';
import type { LlamaModel } from '../src/llama/model.ts';
import { startCommand } from './command.ts';
import { choiceFlag, countFlag, textFlag } from './flags.ts';
import { median } from './statistics.ts';
import { loadWeights } from './weights.ts';

const shape = {
  model: textFlag('models/octet-demo-f16.gguf', 'the model, a GGUF file'),
  tokens: textFlag('256,1024', 'comma list of lengths to copy'),
  decoding: countFlag(8, { min: 1, max: 250 }, 'sequences that decode meanwhile'),
  reading: countFlag(0, { min: 0, max: 400 }, 'tokens of a prompt that each step reads as well'),
  kv: choiceFlag(['q8_0', 'f16'], 'number format of the cache'),
  threads: countFlag(2, { min: 1, max: 1024 }, 'CPU threads'),
  steps: countFlag(200, { min: 10, max: 100_000 }, 'steps of each phase'),
  gpu: choiceFlag(['auto', 'cuda', 'off'], 'what computes'),
};

const chunkTokens = 512;
const mebibyte = 2 ** 20;
/** Enough for any state. */
const keptBytesMax = 16 * 2 ** 30;

/** Runs the command; returns the exit status. */
export async function main(argv: readonly string[]): Promise<number> {
  const title = 'octet bench copies-beside: what copies to host memory and back hold up, beside steps and between them';
  const start = startCommand({ title, flags: shape }, argv);
  if (start.kind === 'ended') return start.status;
  const { flags } = start;
  const lengths = flags.tokens.split(',').map(Number);
  const model = await loadWeights(flags);
  console.log('tokens     MiB   copy                    step ms   takes ms   holds up ms');
  for (const tokens of lengths) {
    for (const isFresh of [true, false]) {
      const kernel = await openKernel(model, flags, { tokens, stateBytesMax: isFresh ? 0 : keptBytesMax });
      const run = createRun(kernel, flags);
      const aloneMs = await run.prepare(tokens);
      for (const phase of phases.filter((each) => each.isFresh === isFresh))
        console.log(row({ tokens, aloneMs, name: phase.name, ...(await run.phase({ ...phase, tokens, aloneMs })) }));
      kernel.dispose();
    }
  }
  model.dispose();
  return 0;
}

type Flags = Readonly<Record<'decoding' | 'reading' | 'threads' | 'steps', number>> & { readonly kv: 'q8_0' | 'f16' };

async function openKernel(
  model: LlamaModel,
  { decoding, kv, threads }: Flags,
  { tokens, stateBytesMax }: { tokens: number; stateBytesMax: number },
): Promise<BesideKernel> {
  const sequences = decoding + 3;
  const kernel = await createKernel({
    model,
    layout: 'per-sequence',
    drawing: 'graph',
    copies: 'beside',
    cellCount: (tokens + chunkTokens) * sequences,
    sequencesMax: sequences,
    batchTokensMax: chunkTokens,
    microBatchTokens: chunkTokens,
    kvTypes: { k: kv, v: kv },
    threads,
    stateBytesMax,
    records: 'steady',
  });
  const { beside } = kernel;
  if (beside === undefined) throw new Error(`no copies beside steps here (drawing: ${kernel.drawing.reason})`);
  return { ...kernel, beside };
}

function row(of: PhaseResult & { tokens: number; aloneMs: number; name: string }): string {
  const { tokens, bytes, name, aloneMs, copyMs, heldUpMs } = of;
  const cells = [
    String(tokens).padStart(6),
    (bytes / mebibyte).toFixed(2).padStart(8),
    `   ${name}`.padEnd(24),
    aloneMs.toFixed(2).padStart(10),
    copyMs.toFixed(2).padStart(11),
    heldUpMs.toFixed(2).padStart(14),
  ];
  return cells.join('');
}

interface Phase {
  readonly way: 'save' | 'restore';
  readonly isBeside: boolean;
  /** To memory that no state was in before. */
  readonly isFresh: boolean;
}

const phases: readonly (Phase & { readonly name: string })[] = [
  { name: 'save fresh, between', way: 'save', isBeside: false, isFresh: true },
  { name: 'save fresh, beside', way: 'save', isBeside: true, isFresh: true },
  { name: 'save, between', way: 'save', isBeside: false, isFresh: false },
  { name: 'save, beside', way: 'save', isBeside: true, isFresh: false },
  { name: 'restore, between', way: 'restore', isBeside: false, isFresh: false },
  { name: 'restore, beside', way: 'restore', isBeside: true, isFresh: false },
];

interface PhaseResult {
  /** Of a copy from its start to its end. */
  readonly copyMs: number;
  /** What a copy added to the time of all steps. */
  readonly heldUpMs: number;
  readonly bytes: number;
}

type BesideKernel = Kernel & { readonly beside: NonNullable<Kernel['beside']> };

/** Positions that decoding sequences have at the beginning of a phase. */
const begunTokens = 64;
/** Steps between two copies, so that each copy meets steps that nothing holds up. */
const stepsApart = 4;

function createRun(kernel: BesideKernel, { decoding, reading, steps }: Flags) {
  const slabTokens = Math.floor(kernel.limits.cellCount / kernel.limits.cacheSeqCount);
  const [source, target, reader] = [cacheSeqId(decoding + 1), cacheSeqId(decoding + 2), cacheSeqId(decoding)];
  let position = 0;
  let readTokens = 0;

  /** Every phase decodes the same positions, and goes back to them where slabs end. */
  function rewind(): void {
    for (let seq = 0; seq < decoding; seq++) kernel.truncate(cacheSeqId(seq), begunTokens);
    position = begunTokens;
  }

  async function step(): Promise<void> {
    if (position >= slabTokens) rewind();
    for (let seq = 0; seq < decoding; seq++) {
      kernel.batch.tokens[seq] = 5 + ((seq * 31 + position) % 1000);
      kernel.batch.positions[seq] = position;
      kernel.batch.cacheSeqs[seq] = seq;
      kernel.batch.outputs[seq] = 1;
    }
    position += 1;
    read();
    await decodeRows(kernel, decoding + reading);
  }

  /** The prompt's rows come behind those that decode. */
  function read(): void {
    if (readTokens + reading > slabTokens) {
      kernel.truncate(reader, 0);
      readTokens = 0;
    }
    for (let index = 0; index < reading; index++) {
      const row = decoding + index;
      kernel.batch.tokens[row] = 5 + ((row * 17) % 1000);
      kernel.batch.positions[row] = readTokens + index;
      kernel.batch.cacheSeqs[row] = reader;
      kernel.batch.outputs[row] = 0;
    }
    readTokens += reading;
  }

  async function copy({ way, isBeside }: Phase, state: ParkedState | undefined, tokens: number) {
    if (way === 'save') return isBeside ? await kernel.beside.park(source, tokens) : kernel.park(source, tokens);
    const given = must(state, 'a state to restore');
    if (isBeside) await must(kernel.beside.restore(target, given), 'room in an empty slab');
    else if (!kernel.restore(target, given)) throw new Error('the state does not go back');
    return given;
  }

  return {
    /** Computes the source; answers what a step takes alone. */
    async prepare(tokens: number): Promise<number> {
      for (let seq = 0; seq < decoding + 3; seq++) kernel.truncate(cacheSeqId(seq), 0);
      position = 0;
      readTokens = 0;
      await computeSource(kernel, source, tokens);
      for (let count = 0; count < 2 * begunTokens; count++) await step();
      rewind();
      const startedMs = performance.now();
      for (let count = 0; count < steps; count++) await step();
      return (performance.now() - startedMs) / steps;
    },

    /** Steps with a copy begun every few of them; throws where one was not exact. */
    async phase(wish: Phase & { tokens: number; aloneMs: number }): Promise<PhaseResult> {
      const expected = must(kernel.park(source, wish.tokens), 'the source is there');
      const copied: ParkedState[] = [];
      const copyTimes: number[] = [];
      rewind();
      let underWay: Promise<void> | undefined;
      const begin = async (): Promise<void> => {
        if (wish.way === 'restore') kernel.truncate(target, 0);
        else if (!wish.isFresh) for (const state of copied.splice(0)) kernel.forget(state);
        const begunMs = performance.now();
        const state = must(await copy(wish, expected, wish.tokens), 'the copy succeeds');
        copyTimes.push(performance.now() - begunMs);
        if (wish.way === 'save') copied.push(state);
      };
      const startedMs = performance.now();
      for (let count = 0; count < steps; count++) {
        if (count % stepsApart === 0 && underWay === undefined) {
          underWay = begin().finally(() => {
            underWay = undefined;
          });
          if (!wish.isBeside) await underWay;
        }
        await step();
      }
      const allMs = performance.now() - startedMs;
      await underWay;
      const result = wish.way === 'save' ? copied.at(-1) : kernel.park(target, wish.tokens);
      if (!isSame(must(result, 'a copy was made'), expected, wish.way === 'save' ? 0 : numberBytes))
        throw new Error(`${wish.way}: the copy has other bytes`);
      const bytes = expected.bytes.byteLength;
      for (const state of [...copied, expected]) kernel.forget(state);
      if (wish.way === 'restore' && result !== undefined) kernel.forget(result);
      const copyMs = must(median(copyTimes), 'copies were timed');
      return { copyMs, heldUpMs: (allMs - steps * wish.aloneMs) / copyTimes.length, bytes };
    },
  };
}

/** Its rows. A state tells in its head whose it was, and has a number for each id below before them: these shift what follows. */
function isSame(one: ParkedState, other: ParkedState, shiftBytes: number): boolean {
  const from = Math.floor(other.bytes.byteLength / 2);
  const until = other.bytes.byteLength - rowsEndBytes;
  const rows = one.bytes.subarray(from + shiftBytes, until + shiftBytes);
  return Buffer.compare(rows, other.bytes.subarray(from, until)) === 0;
}

const numberBytes = 4;
/** More than the numbers of ids behind the rows take. */
const rowsEndBytes = 256 * numberBytes;

async function decodeRows(kernel: Kernel, count: number): Promise<void> {
  const outcome = await kernel.decode(count);
  if (outcome.kind !== 'done') throw new Error(`the step ended as ${outcome.kind}`);
}

async function computeSource(kernel: Kernel, seq: number, tokens: number): Promise<void> {
  const { batch } = kernel;
  for (let from = 0; from < tokens; from += chunkTokens) {
    const count = Math.min(chunkTokens, tokens - from);
    for (let row = 0; row < count; row++) {
      batch.tokens[row] = 5 + ((from + row) % 1000);
      batch.positions[row] = from + row;
      batch.cacheSeqs[row] = seq;
      batch.outputs[row] = row === count - 1 ? 1 : 0;
    }
    await decodeRows(kernel, count);
  }
}
