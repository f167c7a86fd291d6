// What guesses cost: the steps that are measured are those that the engine would take, and the gain follows from them.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { guessCostsCommand } from '../../bench/guess-costs/command.ts';
import { expectedTokens, gainOf } from '../../bench/guess-costs/gain.ts';
import { type Guesser, targetStates } from '../../bench/guess-costs/guesser.ts';
import { measureRounds } from '../../bench/guess-costs/rounds.ts';
import { measureTarget, rowCostsOf } from '../../bench/guess-costs/target.ts';
import { must } from '../../src/assert.ts';
import { cacheSeqId } from '../../src/ids.ts';
import type { Kernel } from '../../src/kernel-port.ts';
import type { KernelOptions } from '../../src/llama/kernel.ts';
import { type LlamaModel, loadModel } from '../../src/llama/model.ts';
import { headModelPath } from '../head-models.ts';
import { loadForTests, makeKernel } from '../llama/loaded.ts';

async function headModel(): Promise<LlamaModel> {
  const path = await headModelPath('right');
  const model = await loadModel({ libraries: loadForTests(), path, load: 'weights', gpuLayers: 0, heads: true });
  onTestFinished(() => model.dispose());
  return model;
}

/** A kernel, and for each of its steps the positions of its rows, outputs marked by `*`. */
async function watched(model: LlamaModel, multiToken: NonNullable<KernelOptions['multiToken']>) {
  const native = await makeKernel(model, { cellCount: 256, batchTokensMax: 32, microBatchTokens: 32, multiToken });
  const steps: string[] = [];
  const states: number[][] = [];
  const kernel: Kernel = {
    ...native,
    decode(rowCount, draws) {
      const { positions, outputs, states: read } = native.batch;
      const rows = Array.from({ length: rowCount }, (_, row) => `${positions[row]}${outputs[row] === 1 ? '*' : ''}`);
      steps.push(rows.join(' '));
      states.push([...(read?.subarray(0, native.hidden?.width) ?? [])]);
      return native.decode(rowCount, draws);
    },
  };
  onTestFinished(() => native.dispose());
  return { kernel, steps, states };
}

const shape = { sequenceCount: 2, promptTokens: 6 };

test('rows are measured behind the last token, all drawn from, after plain steps and before them, at one length', async () => {
  const { kernel, steps } = await watched(await headModel(), 'model');
  const { rows, plain } = await measureTarget(kernel, { ...shape, extraRows: [2], steps: 1, repeats: 2 });
  const times = (count: number, step: string) => Array.from({ length: count }, () => step);
  const turn = [...times(4, '5* 6* 7* 5* 6* 7*'), ...times(3, '5* 5*')];
  expect(steps).toEqual([...times(2, '0 1 2 3 4'), ...times(4, '5* 5*'), ...turn, ...turn]);
  for (const seq of [0, 1]) expect(kernel.positions(cacheSeqId(seq))).toEqual({ min: 0, max: 4 });
  expect(rows.map(({ extraRows, turns }) => [extraRows, turns.length])).toEqual([[2, 2]]);
  expect(plain.ms).toBeGreaterThan(0);
});

test('by turns a head reads what was drawn, goes on from its own states, and the model checks its guesses', async () => {
  const model = await headModel();
  const target = await watched(model, 'model');
  const head = await watched(model, 'head');
  await measureTarget(target.kernel, { ...shape, extraRows: [], steps: 1, repeats: 1 });
  const states = await targetStates(target.kernel, shape);
  const guesser: Guesser = { by: 'mtp', kernel: head.kernel, states };
  target.steps.length = 0;
  const round = await measureRounds(target.kernel, guesser, { ...shape, guessCount: 2, roundCount: 1 });
  expect(round.readCount).toBe(3);
  expect(head.steps.slice(0, 4)).toEqual(['0 1 2', '0 1 2', '3 4 5* 3 4 5*', '6* 6*']);
  expect(head.steps.slice(4)).toEqual(Array.from({ length: 3 }, () => head.steps.slice(2, 4)).flat());
  expect(target.steps).toEqual(Array.from({ length: 4 }, () => '5* 6* 7* 5* 6* 7*'));
  expect(head.states[2]).toEqual([...must(states[0], 'a state of each')]);
  expect(head.states[3]).not.toEqual(head.states[2]);
  expect(round.ms).toBeCloseTo(round.firstGuessMs + round.otherGuessesMs + round.stepMs, 9);
});

test('the first steps of a shape are told from those that follow', () => {
  const calls = (...decodeMs: number[]) => decodeMs.map((ms) => ({ decodeMs: ms, sampleMs: 1 }));
  const costs = rowCostsOf(4, [
    { with: calls(99, 19, 9, 4, 6), back: calls(3, 2, 1) },
    { with: calls(29, 19, 9, 5, 5), back: calls(5, 4, 1) },
    { with: calls(49, 19, 9, 5, 5), back: calls(4, 3, 1) },
  ]);
  expect(costs).toMatchObject({
    firstEverMs: 100,
    firstMs: [50, 20, 10],
    backMs: [5, 4],
    settled: { ms: 6, sampleMs: 1 },
  });
});

test('a gain is what tokens cost without guesses over what they cost with them', () => {
  expect([expectedTokens(4, 1), expectedTokens(2, 0.5), expectedTokens(3, 0)]).toEqual([5, 1.75, 1]);
  const costs = { plainMs: 10, stepMs: 15, guessMs: 2.5, guessCount: 2 };
  expect(gainOf(costs, 1)).toBeCloseTo(1.5, 9);
  expect(gainOf(costs, 0.5)).toBeCloseTo(17.5 / 20, 9);
  expect(gainOf({ ...costs, guessMs: 0 }, 1)).toBeCloseTo(2, 9);
});

test('the command prints its tables and keeps every call, and says what is wrong with its flags', async () => {
  const print = vi.spyOn(console, 'log').mockImplementation(() => undefined);
  const printError = vi.spyOn(console, 'error').mockImplementation(() => undefined);
  const folder = mkdtempSync(join(tmpdir(), 'octet-guess-costs-'));
  onTestFinished(() => {
    rmSync(folder, { recursive: true });
    vi.restoreAllMocks();
  });
  const model = ['--model', await headModelPath('right'), '--gpu', 'off', '--threads', '1', '--mtp'];
  const small = ['--sequences', '1', '--rows', '1,3', '--prompt-tokens', '8', '--steps', '2', '--repeats', '1'];
  expect(await guessCostsCommand([...model, ...small, '--results-directory', folder])).toBe(0);
  const printed = print.mock.calls.flat().join('\n');
  for (const head of [
    /^guesses each +rows +first ever/m,
    /^guess for each/m,
    /^read 128 of one/m,
    /round \/ sum/,
    /^3 .*\d$/m,
  ])
    expect(printed).toMatch(head);
  const file = printed.split('raw results: ')[1] ?? '';
  expect(JSON.parse(readFileSync(file, 'utf8'))).toMatchObject({
    bySequences: [
      {
        target: { sequenceCount: 1, rows: [{ extraRows: 1 }, { extraRows: 3, turns: [{ with: { length: 5 } }] }] },
        guesser: { calls: { length: 4 }, rounds: [{ guessCount: 1 }, { guessCount: 3, readCount: 4 }] },
        gains: [{ guessCount: 1 }, { guessCount: 3, chances: [1, 0.9, 0.7, 0.5] }],
      },
    ],
  });
  const faulty = ['--draft', 'x', '--rows', '0,15', '--sequences', '8', '--sequences-max', '4'];
  expect(await guessCostsCommand([...model, ...faulty])).toBe(2);
  const faults = printError.mock.calls.join('\n');
  expect(faults).toContain('--rows must list whole numbers from 1 to 256. Given: 0');
  expect(faults).toContain('--mtp and --draft');
  const large = ['--sequences', '2,65', '--sequences-max', '4', '--prompt-tokens', '16'];
  expect(await guessCostsCommand([...model, ...large])).toBe(2);
  expect(must(printError.mock.calls.at(-1), 'faults').join().split('\n')).toEqual([
    '--prompt-tokens must be >= 17 with --rows 1,2,4,8,15. Given: 16',
    '--sequences-max must be 0 or >= 65 with --sequences 2,65. Given: 4',
    '--sequences must be <= 64, the most that are guessed for at once. Given: 65',
    expect.stringMatching(/^a head reads at most 256 tokens at once.* Given: 1040$/),
  ]);
});
