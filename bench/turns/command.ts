// `turns`: what guesses bring, or cost, told to a percent: both settings by turns in one process, over the same texts.

import { join } from 'node:path';
import { packageRoot } from '../../src/server/package-root.ts';
import { startCommand } from '../command.ts';
import { choiceFlag, countFlag, numberFlag, resultsFlags, textFlag } from '../flags.ts';
import { alignTable } from '../load/table.ts';
import { describeCircumstances, writeResults } from '../results.ts';
import { percentile } from '../statistics.ts';
import { measureByTurns, type TurnsOutcome } from './measure.ts';
import { plainQuietMs, shapesOf } from './shapes.ts';
import type { SideRun } from './side.ts';

const flags = {
  model: textFlag('', "model file; empty means the embedded one's"),
  guesses: choiceFlag(['lookup', 'off'], 'of the second engine; off measures how far two like engines differ'),
  prompts: choiceFlag(['words', 'chats'], 'random words, or chats with the embedded model'),
  streams: countFlag(1, { min: 1, max: 8 }, 'requests at once'),
  requests: countFlag(20, { min: 1, max: 10_000 }, 'requests of each engine'),
  promptTokens: countFlag(64, { min: 1, max: 512 }, 'length of prompts of words'),
  outputTokens: countFlag(160, { min: 1, max: 512 }, 'length of outputs'),
  temperature: numberFlag(0.7, { min: 0, max: 2 }, 'of the draws'),
  threads: countFlag(2, { min: 1, max: 256 }, 'threads of the kernels'),
  layout: choiceFlag(['auto', 'pooled', 'per-sequence'], 'KV layout'),
  turnMs: numberFlag(10, { min: 0, max: 10_000 }, 'milliseconds of a turn, at least one step'),
  draftTokensMax: countFlag(15, { min: 1, max: 64 }, 'guesses of a sequence in a step'),
  seed: countFlag(1, { min: 0, max: 1_000_000 }, 'of prompts and draws'),
  ...resultsFlags('turns'),
};

export async function turnsCommand(argv: readonly string[]): Promise<number> {
  const start = startCommand({ title: 'octet bench turns: with guesses and without, by turns', flags }, argv);
  if (start.kind === 'ended') return start.status;
  const { model, guesses, draftTokensMax, name, resultsDirectory, noResults, ...wish } = start.flags;
  const circumstances = describeCircumstances(['turns', ...argv]);
  const outcome = await measureByTurns({
    ...wish,
    modelPath: model || join(packageRoot(), 'models/octet-demo-f16.gguf'),
    speculation:
      guesses === 'off' ? undefined : { draftTokensMax, lookup: { matchTokensMin: 2, windowTokens: 32_768 } },
  });
  console.log(describe(outcome));
  if (noResults) return 0;
  const content = { ...circumstances, title: 'with guesses and without, by turns', ...summary(outcome) };
  console.log(`\nraw results: ${writeResults({ name, resultsDirectory }, content)}`);
  return 0;
}

function summary({ off, on, ...rest }: TurnsOutcome) {
  return { ...rest, off: sideSummary(off), on: sideSummary(on) };
}

function sideSummary({ steps, tokenAtMs, texts, planMs, ...totals }: SideRun) {
  return {
    ...totals,
    planQuietMs: percentile(planMs, 0.25) ?? 0,
    requestCount: texts.length,
    tokenCount: tokenAtMs.length,
    shapes: shapesOf(steps),
  };
}

function describe({ off, on, ratio, ratioError, accountedRatio, sameTextCount }: TurnsOutcome): string {
  const rows = [
    ['', 'off', 'on'],
    ['ms a token', ...[off, on].map(({ ms, tokenAtMs }) => (ms / tokenAtMs.length).toFixed(3))],
    ['tokens', ...[off, on].map(({ tokenAtMs }) => String(tokenAtMs.length))],
    ['steps', ...[off, on].map(({ steps }) => String(steps.length))],
    [
      'planning, us a step, lower quartile',
      ...[off, on].map(({ planMs }) => (1000 * (percentile(planMs, 0.25) ?? 0)).toFixed(1)),
    ],
    ['step without guesses, ms, lower quartile', ...[off, on].map((side) => (plainQuietMs(side) ?? 0).toFixed(3))],
    ['guesses computed', ...[off, on].map(({ draftTokenCount }) => String(draftTokenCount))],
    ['came true', ...[off, on].map(({ acceptedTokenCount }) => String(acceptedTokenCount))],
  ];
  const shapes = [
    ['steps of the second engine', 'sequences', 'rows', 'steps', 'quiet ms', 'tokens a step', 'share of time'],
    ...shapesOf(on.steps).map(({ kind, sequenceCount, rowCount, count, quietMs, totalMs, tokenCount }) => [
      kind,
      ...(kind === 'prompt' ? ['', ''] : [String(sequenceCount), String(rowCount)]),
      String(count),
      quietMs.toFixed(2),
      (tokenCount / count).toFixed(2),
      (totalMs / on.ms).toFixed(3),
    ]),
  ];
  return [
    `on / off: ${ratio.toFixed(3)} times the tokens a second, standard error ${ratioError.toFixed(3)}`,
    `by account, each step at the lower quartile of its like: ${accountedRatio.toFixed(3)}`,
    `${sameTextCount} of ${off.texts.length} texts are the same`,
    alignTable(rows),
    alignTable(shapes),
  ].join('\n\n');
}
