// `identity`: whether speculative decoding leaves texts as they are, over many requests; keeps the outcome.

import { join } from 'node:path';
import { packageRoot } from '../../src/server/package-root.ts';
import { startCommand } from '../command.ts';
import { countFlag, switchFlag, textFlag } from '../flags.ts';
import { describeCircumstances, writeResults } from '../results.ts';
import { measureIdentity } from './measure.ts';

const flags = {
  requests: countFlag(1000, { min: 1, max: 100_000 }, 'requests of each run'),
  threads: countFlag(1, { min: 1, max: 256 }, 'threads of the kernels'),
  model: textFlag('', "GGUF model with the embedded one's chat tokens; empty means the embedded one"),
  draft: textFlag('', 'a draft model that guesses; empty guesses by lookup'),
  mtp: switchFlag("the model's own multi-token head guesses"),
  name: textFlag('speculation-identity', 'of the results file'),
  resultsDirectory: textFlag('bench/results', 'where results are kept'),
};

const combinations = [
  ['greedy', 'per-sequence'],
  ['sampled', 'pooled'],
] as const;

/** The exit status is 0 when every text is the same or parts at a near tie, 1 when one does not. */
export async function identityCommand(argv: readonly string[]): Promise<number> {
  const title = 'octet bench identity: texts with guesses against texts without';
  const start = startCommand({ title, flags, findFaults }, argv);
  if (start.kind === 'ended') return start.status;
  const { requests, threads, model, draft, mtp: usesHead, ...place } = start.flags;
  const draftPath = draft === '' ? undefined : draft;
  const circumstances = describeCircumstances(['identity', ...argv]);
  const runs = [];
  for (const [drawing, layout] of combinations) {
    const wish = { requestCount: requests, drawing, layout, threads, draftPath, usesHead };
    const run = await measureIdentity({
      ...wish,
      modelPath: model || join(packageRoot(), 'models/octet-demo-f16.gguf'),
    });
    const far = run.partings.filter(({ isNearTie }) => !isNearTie).length + run.otherFaults.length;
    console.log(
      `${drawing}, ${layout}: ${run.sameCount} of ${requests} texts the same, ${run.partings.length} part, ${far} of them not at a near tie; ` +
        `${run.acceptedTokenCount} of ${run.draftTokenCount} guesses came true, of ${run.tokenCount} tokens`,
    );
    runs.push({ drawing, layout, far, ...run });
  }
  console.log(
    `\nraw results: ${writeResults(place, { ...circumstances, title: 'texts with and without guesses', runs })}`,
  );
  return runs.every(({ far }) => far === 0) ? 0 : 1;
}

function findFaults({ draft, mtp }: { readonly draft: string; readonly mtp: boolean }): string[] {
  return draft !== '' && mtp ? [`--draft and --mtp exclude each other. Given: --draft ${draft}`] : [];
}
