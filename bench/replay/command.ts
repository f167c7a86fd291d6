// `replay`: what guesses bring or cost on a machine whose steps were measured, over texts that a model writes now.

import { join } from 'node:path';
import { must } from '../../src/assert.ts';
import { assembleEngine } from '../../src/server/engine/assemble-engine.ts';
import { packageRoot } from '../../src/server/package-root.ts';
import { startCommand } from '../command.ts';
import { choiceFlag, countFlag, numberFlag, resultsFlags, textFlag } from '../flags.ts';
import { alignTable } from '../load/table.ts';
import { plainEngine } from '../plain-engine.ts';
import { describeCircumstances, writeResults } from '../results.ts';
import { runSide } from '../turns/side.ts';
import { createTurns } from '../turns/turns.ts';
import { makeWork, readTokenizer, type WorkWish } from '../turns/work.ts';
import { readMachines } from './machine.ts';
import { type Replay, replay, type Text } from './replay.ts';

const flags = {
  model: textFlag('', "model that writes the texts; empty means the embedded one's"),
  machines: textFlag('', 'file of measured machines; empty means two cores of an AMD EPYC'),
  machine: textFlag('demo', 'name of one of them'),
  prompts: choiceFlag(['words', 'chats'], 'random words, or chats with the embedded model'),
  requests: countFlag(24, { min: 1, max: 10_000 }, 'texts'),
  promptTokens: countFlag(64, { min: 1, max: 512 }, 'length of prompts of words'),
  outputTokens: countFlag(160, { min: 1, max: 320 }, 'length of outputs, on average'),
  temperature: numberFlag(0.7, { min: 0, max: 2 }, 'of the draws'),
  noise: numberFlag(0.1, { min: 0, max: 1 }, "standard deviation of a step's time, as a share of it"),
  repeats: countFlag(5, { min: 1, max: 100 }, 'replays, each with noise of its own'),
  threads: countFlag(2, { min: 1, max: 256 }, 'threads of the kernels while texts are written'),
  seed: countFlag(1, { min: 0, max: 1_000_000 }, 'of prompts, draws and noise'),
  ...resultsFlags('replay'),
};

const streamCounts = [1, 4, 8];

export async function replayCommand(argv: readonly string[]): Promise<number> {
  const start = startCommand({ title: 'octet bench replay: guesses on a clock of measured costs', flags }, argv);
  if (start.kind === 'ended') return start.status;
  const { model, machines, machine: name, noise, repeats, threads, ...rest } = start.flags;
  const circumstances = describeCircumstances(['replay', ...argv]);
  const known = readMachines(machines || join(packageRoot(), 'bench/replay/two-cores.json'));
  const machine = known.find((each) => each.name === name);
  if (machine === undefined) {
    console.error(`--machine must be one of ${known.map((each) => each.name).join(', ')}. Given: ${name}`);
    return 2;
  }
  const modelPath = model || join(packageRoot(), 'models/octet-demo-f16.gguf');
  const texts = await writeTexts({ ...rest, modelPath, threads });
  const runs = streamCounts.map((streams) => ({
    streams,
    replays: Array.from({ length: repeats }, (_, index) =>
      replay({ texts, streams, machine, noise, seed: rest.seed + index }),
    ),
  }));
  console.log(
    alignTable([['streams', 'gain, worst', 'mean', 'best', 'guesses', 'true', 'tokens'], ...runs.map(rowOf)]),
  );
  if (rest.noResults) return 0;
  const content = { ...circumstances, title: 'guesses on a clock of measured costs', replayedOn: machine, runs };
  console.log(`\nraw results: ${writeResults({ name: rest.name, resultsDirectory: rest.resultsDirectory }, content)}`);
  return 0;
}

function rowOf({ streams, replays }: { readonly streams: number; readonly replays: readonly Replay[] }): string[] {
  const gains = replays.map(({ gain }) => gain).sort((a, b) => a - b);
  const meanOf = (of: (each: Replay) => number): number =>
    replays.reduce((sum, each) => sum + of(each), 0) / replays.length;
  return [
    String(streams),
    must(gains[0], 'a replay').toFixed(3),
    meanOf(({ gain }) => gain).toFixed(3),
    must(gains.at(-1), 'a replay').toFixed(3),
    meanOf(({ draftTokenCount }) => draftTokenCount).toFixed(0),
    meanOf(({ acceptedTokenCount }) => acceptedTokenCount).toFixed(0),
    String(replays[0]?.tokenCount),
  ];
}

/** All at once, which is quickest: texts do not depend on what they are computed beside, but for rounding. */
async function writeTexts(
  wish: WorkWish & { readonly modelPath: string; readonly threads: number },
): Promise<readonly Text[]> {
  const { modelPath, threads } = wish;
  const streams = 8;
  const requests = makeWork(wish, await readTokenizer(modelPath));
  const parts = await assembleEngine(
    { ...plainEngine, modelPath, threads, kvTypes: 'q8_0', contextTokens: 1024, sequencesMax: streams },
    { log: () => undefined, onProgress: () => undefined },
  );
  try {
    const turns = createTurns(0, () => performance.now());
    const run = await runSide(parts, requests, { side: 0, turns, streams });
    return requests.map(({ prompt }, index) => ({ prompt: [...prompt], output: run.texts[index] ?? [] }));
  } finally {
    parts.dispose();
  }
}
