// `guess-costs`: what guesses cost on this machine, by the bare kernels, without scheduler or HTTP: rows of a step, calls of whoever
// guesses, both by turns, and what follows for guesses that are right so often.
// Why it exists: a scheduler that does not guess says only that it does not pay, not what of it is dear.

import { availableParallelism } from 'node:os';
import type { z } from 'zod';
import { parseKvTypes } from '../../src/kv-types.ts';
import { loadLibraries } from '../../src/llama/libraries.ts';
import { batchTokens, sequencesAtOnce } from '../../src/server/engine/plan-draft.ts';
import { startCommand } from '../command.ts';
import { choiceFlag, countFlag, resultsFlags, switchFlag, textFlag } from '../flags.ts';
import { describeCircumstances, writeResults } from '../results.ts';
import { loadModels, type MeasuredKernels, measureCosts } from './measure.ts';
import { gainsOf, tablesOf } from './tables.ts';

const flags = {
  model: textFlag('', 'GGUF file'),
  mtp: switchFlag("guess by the model's own multi-token head"),
  draft: textFlag('', 'guess by this draft model, a GGUF file'),
  sequences: textFlag('1,4', 'comma list of how many sequences are in a step'),
  rows: textFlag('1,2,4,8,15', 'comma list of guesses for each sequence'),
  promptTokens: countFlag(128, { min: 2, max: 1_000_000 }, 'tokens in each sequence'),
  sequencesMax: countFlag(0, { min: 0, max: 256 }, 'sequences that the caches are made for; 0: those of the step'),
  steps: countFlag(12, { min: 1, max: 1000 }, 'steps of one shape in a row that settled figures are medians of'),
  repeats: countFlag(3, { min: 1, max: 100 }, 'changes from plain steps to each number of guesses and back'),
  layout: choiceFlag(['per-sequence', 'pooled'], 'slabs of their own, or one pool'),
  kv: textFlag('q8_0', 'number format of the KV cache'),
  threads: countFlag(availableParallelism(), { min: 1, max: 1024 }, 'kernel threads'),
  gpu: choiceFlag(['auto', 'cuda', 'vulkan', 'metal', 'off'], 'where to compute'),
  drawing: choiceFlag(['auto', 'host', 'graph'], 'where tokens are drawn'),
  ...resultsFlags('guess-costs'),
};

type Flags = z.output<z.ZodObject<typeof flags>>;

/** Runs the command; returns the exit status. */
export async function guessCostsCommand(argv: readonly string[]): Promise<number> {
  const start = startCommand({ title: 'octet bench guess-costs: what guesses cost here', flags, findFaults }, argv);
  if (start.kind === 'ended') return start.status;
  const circumstances = describeCircumstances(['guess-costs', ...argv]);
  const { name, resultsDirectory, noResults } = start.flags;
  const { computedBy, measured } = await measureAll(start.flags);
  if (noResults) return 0;
  const bySequences = measured.map((costs) => ({ ...costs, gains: gainsOf(costs) }));
  const content = { ...circumstances, title: 'what guesses cost', computedBy, bySequences };
  console.log(`\nraw results: ${writeResults({ name, resultsDirectory }, content)}`);
  return 0;
}

function findFaults(given: Flags): string[] {
  const { model, mtp, draft, kv, sequences, rows } = given;
  const types = parseKvTypes(kv);
  const countFaults = [
    ...faultsOfList('--sequences', sequences, { min: 1, max: 256 }),
    ...faultsOfList('--rows', rows, { min: 1, max: 256 }),
  ];
  return [
    ...(model === '' ? ['--model must name a GGUF file. Given: nothing'] : []),
    ...(mtp && draft !== '' ? [`--mtp and --draft are two ways to guess, of which one is measured. Given: both`] : []),
    ...(types.kind === 'refused' ? [types.message] : []),
    ...(countFaults.length > 0 ? countFaults : faultsOfSizes(given)),
  ];
}

/** Of lists that are right. */
function faultsOfSizes({ mtp, draft, sequences, sequencesMax, rows, promptTokens }: Flags): string[] {
  const sequencesMost = Math.max(...countsOf(sequences));
  const rowsMost = Math.max(...countsOf(rows));
  const faults: string[] = [];
  // What a head reads behind its guesses must be in the sequences.
  if (promptTokens < rowsMost + 2)
    faults.push(`--prompt-tokens must be >= ${rowsMost + 2} with --rows ${rows}. Given: ${promptTokens}`);
  if (sequencesMax > 0 && sequencesMax < sequencesMost)
    faults.push(
      `--sequences-max must be 0 or >= ${sequencesMost} with --sequences ${sequences}. Given: ${sequencesMax}`,
    );
  if ((mtp || draft !== '') && sequencesMost > sequencesAtOnce)
    faults.push(
      `--sequences must be <= ${sequencesAtOnce}, the most that are guessed for at once. Given: ${sequencesMost}`,
    );
  const readRows = sequencesMost * (rowsMost + 1);
  if (mtp && readRows > batchTokens)
    faults.push(
      `a head reads at most ${batchTokens} tokens at once: --sequences times (--rows + 1) must be no more. Given: ${readRows}`,
    );
  return faults;
}

function faultsOfList(flag: string, list: string, { min, max }: { min: number; max: number }): string[] {
  return list
    .split(',')
    .filter((count) => !/^\d{1,3}$/.test(count) || Number(count) < min || Number(count) > max)
    .map((count) => `${flag} must list whole numbers from ${min} to ${max}. Given: ${count}`);
}

function countsOf(list: string): number[] {
  return list.split(',').map(Number);
}

/** Prints the tables of each number of sequences as soon as they are there. */
async function measureAll({ model, mtp, draft, kv, sequences, rows, gpu, ...wish }: Flags) {
  const parsed = parseKvTypes(kv);
  if (parsed.kind === 'refused') throw new Error(parsed.message);
  const libraries = loadLibraries({ gpu, log: () => undefined });
  console.log(libraries.reason);
  const models = await loadModels(libraries, { path: model, usesHead: mtp, draftPath: draft });
  const measured: MeasuredKernels[] = [];
  try {
    for (const sequenceCount of countsOf(sequences)) {
      const costs = await measureCosts(models, sequenceCount, {
        ...wish,
        types: parsed.types,
        extraRows: countsOf(rows),
      });
      if (measured.length === 0) console.log(`drawing: ${costs.drawing.place}, ${costs.drawing.reason}`);
      console.log(`\n${tablesOf(costs)}`);
      measured.push(costs);
    }
  } finally {
    models.dispose();
  }
  return { computedBy: libraries.reason, measured };
}
