// `fuzz`: thousands of requests drawn from the API's document, valid and broken, against a server with the embedded model.
// The exit status is 1 when an answer is not as described, a request hangs, or something is held at the end.

import type { z } from 'zod';
import { startCommand } from '../command.ts';
import { countFlag, resultsFlags, textFlag } from '../flags.ts';
import { describeCircumstances, writeResults } from '../results.ts';
import { leftoversOf, type Memory, memoryOf } from './leftovers.ts';
import { type FuzzReport, fuzz } from './run.ts';
import { startFuzzedServer } from './server.ts';

const fuzzFlags = {
  requests: countFlag(2000, { min: 1, max: 10_000_000 }, 'requests to send'),
  seed: countFlag(1, { min: 0, max: 2 ** 31 - 1 }, 'the same seed sends the same requests'),
  concurrency: countFlag(16, { min: 1, max: 1000 }, 'requests at once'),
  seconds: countFlag(60, { min: 1, max: 3600 }, 'a request that is unanswered for so long hangs'),
  url: textFlag('', 'a server that runs already; empty starts one'),
  ...resultsFlags('fuzz'),
};

type FuzzFlags = z.output<z.ZodObject<typeof fuzzFlags>>;

/** What a process may take more at the end than after a quarter of the requests: the garbage collector's swing. */
const growthBytesMax = 64 * 2 ** 20;
const shownFaultsMax = 20;

export async function fuzzCommand(argv: readonly string[]): Promise<number> {
  const start = startCommand(
    { title: "octet bench fuzz: requests drawn from the API's document", flags: fuzzFlags },
    argv,
  );
  if (start.kind === 'ended') return start.status;
  const { flags } = start;
  const circumstances = describeCircumstances(['fuzz', ...argv]);
  const server = flags.url === '' ? await startFuzzedServer([]) : undefined;
  try {
    const result = await examine(server?.url ?? flags.url, flags);
    const complaints = server?.complaints ?? [];
    const verdict = faultsOf(result, complaints);
    print(result.report, verdict);
    if (!flags.noResults) {
      const { faults, ...figures } = result.report;
      const file = writeResults(flags, { ...circumstances, ...figures, memory: result.memory, faults: verdict });
      console.log(`\nresults: ${file}`);
    }
    return verdict.length === 0 ? 0 : 1;
  } finally {
    await server?.stop();
  }
}

interface Result {
  readonly report: FuzzReport;
  readonly leftovers: readonly string[];
  readonly memory: { readonly early: Memory; readonly late: Memory };
}

async function examine(url: string, flags: FuzzFlags): Promise<Result> {
  let early: Memory | undefined;
  const report = await fuzz({
    url,
    requestCount: flags.requests,
    seed: flags.seed,
    concurrency: flags.concurrency,
    msMax: flags.seconds * 1000,
    onProgress: async (doneCount) => {
      process.stderr.write(`\r${doneCount} of ${flags.requests}`);
      if (early === undefined && doneCount >= flags.requests / 4) early = await memoryOf(url);
    },
  });
  process.stderr.write('\n');
  const leftovers = await leftoversOf(url);
  const late = await memoryOf(url);
  return { report, leftovers, memory: { early: early ?? late, late } };
}

/** Everything that must not be, as lines of text. */
function faultsOf({ report, leftovers, memory }: Result, complaints: readonly string[]): string[] {
  const { early, late } = memory;
  const growth = (['serverBytes', 'engineBytes'] as const)
    .filter((name) => late[name] - early[name] > growthBytesMax)
    .map((name) => `${name} grew from ${early[name]} to ${late[name]}`);
  const answers = report.faults.map(
    ({ request: { kind, method, path, body }, fault }) =>
      `${kind} ${method} ${path.slice(0, 100)} ${(body ?? '').slice(0, 1000)}: ${fault}`,
  );
  return [...answers, ...leftovers, ...growth, ...complaints.map((line) => `log: ${line.slice(0, 1000)}`)];
}

function print({ counts, answered, seconds, slowestMs }: FuzzReport, faults: readonly string[]): void {
  for (const [what, count] of Object.entries(counts)) console.log(`${String(count).padStart(8)}  ${what}`);
  console.log('\nanswered with 200:');
  for (const [route, count] of Object.entries(answered)) console.log(`${String(count).padStart(8)}  ${route}`);
  console.log(`\n${seconds.toFixed(0)} s, the slowest answer after ${slowestMs.toFixed(0)} ms`);
  console.log(faults.length === 0 ? 'no faults' : `${faults.length} faults:`);
  for (const fault of faults.slice(0, shownFaultsMax)) console.log(`\n${fault}`);
}
