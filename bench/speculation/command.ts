// `speculation`: what guesses of each kind save of a model's CPU time, without a server around it.

import { startCommand } from '../command.ts';
import { countFlag, numberFlag, resultsFlags, textFlag } from '../flags.ts';
import { describeCircumstances, writeResults } from '../results.ts';
import { guessers, type Measured, measureSpeculation, type SpeculationWish } from './measure.ts';

const flags = {
  model: textFlag('', 'GGUF model that generates'),
  draft: textFlag('', 'GGUF model that guesses; empty leaves out the ways that need one'),
  ways: textFlag(
    'off lookup draft',
    `of ${guessers.join(' ')}, in order and as often as named; figures are held against the first`,
  ),
  streams: countFlag(1, { min: 1, max: 8 }, 'requests in flight at once'),
  requests: countFlag(4, { min: 1, max: 10_000 }, 'requests in a run'),
  promptTokens: countFlag(128, { min: 1, max: 100_000 }, 'random tokens of a prompt'),
  outputTokens: countFlag(128, { min: 2, max: 100_000 }, 'tokens to generate'),
  temperature: numberFlag(0, { min: 0, max: 10 }, 'sampling temperature; 0 is greedy'),
  repeats: countFlag(3, { min: 1, max: 100 }, 'runs of each way; figures are medians over them'),
  ...resultsFlags('speculation'),
};

export async function speculationCommand(argv: readonly string[]): Promise<number> {
  const title = 'octet bench speculation: CPU time for each token, with guesses and without';
  const start = startCommand({ title, flags, findFaults }, argv);
  if (start.kind === 'ended') return start.status;
  const { flags: wish } = start;
  const circumstances = describeCircumstances(['speculation', ...argv]);
  const measured = await measureSpeculation(wish, waysOf(wish));
  for (const line of tableOf(measured)) console.log(line);
  if (!wish.noResults) console.log(`\nraw results: ${writeResults(wish, { ...circumstances, title, measured })}`);
  return 0;
}

function waysOf({ ways, draft }: { readonly ways: string; readonly draft: string }) {
  return ways
    .split(' ')
    .flatMap((wished) => guessers.filter((name) => name === wished && (draft !== '' || !name.includes('draft'))));
}

function findFaults({ model, ways, streams, requests }: SpeculationWish & { readonly ways: string }): string[] {
  const unknown = ways.split(' ').filter((name) => !guessers.some((known) => known === name));
  return [
    ...(model === '' ? ['--model must name a file. Given: none'] : []),
    ...unknown.map((name) => `--ways must be of ${guessers.join(' ')}. Given: ${name}`),
    ...(requests < streams ? [`--requests must be >= --streams, ${streams}. Given: ${requests}`] : []),
  ];
}

function tableOf(measured: readonly Measured[]): string[] {
  const base = measured[0]?.cpuMsPerToken ?? 1;
  return measured.map(({ guesser, cpuMsPerToken, runs }) => {
    const all = runs.map((run) => run.cpuMsPerToken);
    const sum = (of: (run: Measured['runs'][number]) => number) => runs.reduce((total, run) => total + of(run), 0);
    return (
      `${guesser.padEnd(12)} ${cpuMsPerToken.toFixed(2)} ms/token [${Math.min(...all).toFixed(2)} .. ${Math.max(...all).toFixed(2)}]  ` +
      `speed ${(base / cpuMsPerToken).toFixed(2)}  ${sum((run) => run.acceptedTokenCount)} of ${sum((run) => run.draftTokenCount)} guesses true, ` +
      `${sum((run) => run.stepCount)} steps, guessing ${((100 * sum((run) => run.draftShare)) / runs.length).toFixed(1)} %`
    );
  });
}
