// `compare`: Octet against llama-server of the same release, or against node-llama-cpp's own context, scenario by scenario, both started here, runs alternating.
// Why each scenario is a `load` program of its own: what is measured is then what anybody can run by hand.

import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import type { z } from 'zod';
import { startCommand } from '../command.ts';
import { choiceFlag, countFlag, numberFlag, textFlag } from '../flags.ts';
import { type ComparedScenario, comparedScenarios, traceName, traceScenario } from './scenarios.ts';
import { type RunningServer, type ServerWish, startLlamaServer, startMinimalServer, startOctet } from './servers.ts';
import { comparedResults, comparisonTable, scenarioRows } from './table.ts';

const scenarioNames: readonly string[] = [...comparedScenarios.map(({ name }) => name), traceName];

const compareFlags = {
  peer: choiceFlag(['llama-server', 'node-llama-cpp'], "whom to compare with; the other is bench's minimal-server"),
  llamaServer: textFlag('', 'path of the llama-server to compare with (bench/peers.md tells how to build it)'),
  model: textFlag('', 'GGUF file that both serve'),
  threads: countFlag(2, { min: 1, max: 1024 }, 'kernel threads of each'),
  kv: textFlag('q8_0', 'number format of the KV cache'),
  set: choiceFlag(['cpu', 'gpu'], 'which scenarios, when --only names none'),
  only: textFlag('', `comma list of ${scenarioNames.join(', ')}; empty means the whole set`),
  trace: textFlag('', 'trace file of the scenario `trace`, which runs when this is given'),
  traceScale: numberFlag(0.1, { min: 0.0001, max: 100 }, "multiplies the trace's lengths"),
  timeScale: numberFlag(1, { min: 0.0001, max: 100 }, "multiplies the trace's arrival times: 0.5 is twice as fast"),
  repeats: countFlag(3, { min: 1, max: 100 }, 'runs per server and scenario; figures are medians over them'),
  peerFlags: textFlag('', 'further flags for the peer, separated by blanks'),
  octetFlags: textFlag('', 'further flags for octet serve, separated by blanks'),
  resultsDirectory: textFlag('bench/results', 'where results are kept'),
};

type CompareFlags = z.output<z.ZodObject<typeof compareFlags>>;

/** Runs the command; returns the exit status. */
export async function compareCommand(argv: readonly string[]): Promise<number> {
  const start = startCommand(
    { title: 'octet bench compare: Octet against llama-server', flags: compareFlags, findFaults },
    argv,
  );
  if (start.kind === 'ended') return start.status;
  const rows: string[] = [];
  for (const scenario of chosen(start.flags)) rows.push(...(await compareOne(scenario, start.flags)));
  console.log(`\n${comparisonTable(rows)}`);
  return 0;
}

function findFaults(flags: CompareFlags): string[] {
  return [
    ...(flags.llamaServer === '' && flags.peer === 'llama-server'
      ? ['--llama-server must name a program. Given: nothing']
      : []),
    ...(flags.model === '' ? ['--model must name a GGUF file. Given: nothing'] : []),
    ...(flags.trace === '' && splitBy(',', flags.only).includes(traceName)
      ? ['--trace must name a trace file where --only lists trace. Given: nothing']
      : []),
    ...splitBy(',', flags.only)
      .filter((name) => !scenarioNames.includes(name))
      .map((name) => `--only must list some of ${scenarioNames.join(', ')}. Given: ${name}`),
  ];
}

function chosen({ only, set, trace, traceScale, timeScale }: CompareFlags): readonly ComparedScenario[] {
  const names = splitBy(',', only);
  const replayed = trace === '' ? [] : [traceScenario(trace, { lengthScale: traceScale, timeScale })];
  return [...comparedScenarios, ...replayed].filter((scenario) =>
    names.length === 0 ? scenario.set === set : names.includes(scenario.name),
  );
}

function splitBy(separator: string, list: string): string[] {
  return list.split(separator).filter((part) => part !== '');
}

async function compareOne(scenario: ComparedScenario, flags: CompareFlags): Promise<string[]> {
  const { model, threads, kv } = flags;
  const wish = { model, threads, kv, scenario };
  const running: RunningServer[] = [];
  try {
    running.push(await startOctet({ ...wish, extraFlags: splitBy(' ', flags.octetFlags) }));
    running.push(await startPeer(flags, { ...wish, extraFlags: splitBy(' ', flags.peerFlags) }));
    const [octet, peer] = running.map(({ url }) => url);
    return await drive(scenario, flags, { octet: octet ?? '', peer: peer ?? '' });
  } finally {
    for (const server of running) await server.stop();
  }
}

function startPeer({ peer, llamaServer }: CompareFlags, wish: ServerWish): Promise<RunningServer> {
  return peer === 'llama-server' ? startLlamaServer(llamaServer, wish) : startMinimalServer(wish);
}

async function drive(
  scenario: ComparedScenario,
  flags: CompareFlags,
  urls: { readonly octet: string; readonly peer: string },
): Promise<string[]> {
  const wishes = Object.entries(scenario.loadFlags).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [
      ...[process.argv[1] ?? '', 'load', '--url', urls.octet, '--peer-url', urls.peer, '--peer-label', flags.peer],
      ...['--streams', String(scenario.streams), ...wishes, '--repeats', String(flags.repeats)],
      ...['--name', scenario.name, '--results-directory', flags.resultsDirectory],
    ],
    { maxBuffer: 1 << 26 },
  );
  console.log(stdout);
  const file = /^raw results: (.+)$/m.exec(stdout)?.[1];
  if (file === undefined) throw new Error(`${scenario.name} kept no results`);
  return scenarioRows(scenario, comparedResults.parse(JSON.parse(readFileSync(file, 'utf8'))));
}
