// `load`: drives one server, or two in turn, with the load that the flags describe, prints the comparison, keeps the raw times.

import { startCommand } from '../command.ts';
import { describeCircumstances, writeResults } from '../results.ts';
import { percentiles } from '../statistics.ts';
import { alternate, type Side } from './alternate.ts';
import { findConflicts, type LoadFlags, loadFlags } from './flags.ts';
import { readLongPrompt } from './long-prompt.ts';
import { formatLongPrompt } from './long-prompt-table.ts';
import { buildScenario, type Scenario } from './scenario.ts';
import { readSchema } from './schema.ts';
import { countFailures, gapsMsOf, type Objectives, summarize } from './summary.ts';
import { formatComparison } from './table.ts';
import { describeTarget, openTarget } from './target.ts';
import type { RequestRecord, RunRecord, Target } from './types.ts';

/** Runs the command; the exit status is 0 when requests were answered, 1 when none were, 2 when the flags are at fault. */
export async function loadCommand(argv: readonly string[]): Promise<number> {
  const start = startCommand(
    { title: 'octet bench load: drives any OpenAI-compatible server', flags: loadFlags, findFaults: findConflicts },
    argv,
  );
  if (start.kind === 'ended') return start.status;
  return drive(start.flags, ['load', ...argv]);
}

async function drive(flags: LoadFlags, argv: readonly string[]): Promise<number> {
  const circumstances = describeCircumstances(argv);
  const scenario = buildScenario(flags);
  const targets = await openTargets(flags);
  console.log(scenario.title);
  const { sides, scale, promptSeed } = await alternate(targets, scenario, { flags, onRun: printProgress });
  const objectives = { ttftMs: flags.sloTtftMs, itlMs: flags.sloItlMs };
  console.log(`\n${formatSides(scenario, sides, objectives)}`);
  printFailures(sides);
  if (!flags.noResults) {
    const servers = await Promise.all(sides.map((side) => describeSide(side, { scenario, objectives })));
    const file = writeResults(flags, {
      ...circumstances,
      title: scenario.title,
      promptScale: scale,
      promptSeed,
      servers,
    });
    console.log(`\nraw results: ${file}`);
  }
  return sides.every((side) => side.runs.some(hasAnswers)) ? 0 : 1;
}

async function openTargets(flags: LoadFlags): Promise<Target[]> {
  const key = flags.key || (process.env['OCTET_BENCH_KEY'] ?? '');
  const peerKey = flags.peerKey || (process.env['OCTET_BENCH_PEER_KEY'] ?? '');
  const free = { name: flags.label, url: flags.url, api: flags.api, model: flags.model, key };
  const schema = flags.schema === '' ? undefined : readSchema(flags.schema);
  const own = { ...free, schema };
  if (flags.compareSchema)
    return Promise.all(
      [
        { ...own, name: 'schema' },
        { ...free, name: 'free' },
      ].map(openTarget),
    );
  const peer = {
    name: flags.peerLabel,
    url: flags.peerUrl,
    api: flags.api,
    model: flags.peerModel,
    key: peerKey,
    schema,
  };
  return Promise.all((flags.peerUrl === '' ? [own] : [own, peer]).map(openTarget));
}

function formatSides(scenario: Scenario, sides: readonly Side[], objectives: Objectives): string {
  if (scenario.kind === 'long-prompt')
    return formatLongPrompt(
      sides.map(({ target, runs }) => ({ heading: target.name, figures: runs.map(readLongPrompt) })),
    );
  const columns = sides.map(({ target, runs }) => ({
    heading: target.name,
    summaries: runs.map((run) => summarize(run, objectives)),
  }));
  return formatComparison(columns, objectives);
}

function printProgress({ target, runs }: Side, run: RunRecord): void {
  const figures = summarize(run, { ttftMs: 0, itlMs: 0 });
  const rate = figures.outputTokensPerSecond.toFixed(1);
  console.error(
    `${target.name} run ${runs.length}: ${figures.durationSeconds.toFixed(1)} s, ${rate} tok/s out, ${figures.failed} failed`,
  );
}

function printFailures(sides: readonly Side[]): void {
  for (const { target, runs } of sides)
    for (const { message, count } of countFailures(runs.flatMap((run) => run.requests)).slice(0, 5))
      console.log(`${target.name}: ${count} x ${message}`);
}

function hasAnswers(run: RunRecord): boolean {
  return run.requests.some(({ answer }) => answer.outcome.kind !== 'failed');
}

async function describeSide(side: Side, context: { readonly scenario: Scenario; readonly objectives: Objectives }) {
  return {
    server: await describeTarget(side.target),
    runs: side.runs.map((run) => ({
      summary: context.scenario.kind === 'long-prompt' ? readLongPrompt(run) : summarize(run, context.objectives),
      failures: countFailures(run.requests),
      requests: run.requests.map(compactRecord),
    })),
  };
}

/** A request's own times; its inter-token gaps are kept as percentiles, for all of them would fill the repository. */
function compactRecord({ planned, answer }: RequestRecord) {
  const first = answer.tokenTimesMs[0];
  return {
    outcome: answer.outcome.kind,
    plannedMs: planned.arrivalMs,
    startedMs: answer.startedMs,
    ttftMs: first === undefined ? undefined : first - answer.startedMs,
    e2eMs: answer.endedMs - answer.startedMs,
    promptTokens: answer.usage?.promptTokens,
    cachedTokens: answer.usage?.cachedTokens,
    outputTokens: answer.usage?.outputTokens,
    gapsMs: percentiles(gapsMsOf(answer), { p50: 0.5, p99: 0.99, max: 1 }),
  };
}
