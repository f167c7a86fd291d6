// `npm run bench -- plan-step`: what the scheduler itself costs per step, with many running and many waiting.
// The kernel is taken away: what remains is planning, committing, drawing bookkeeping and the cache's accounting.

import v8 from 'node:v8';
import vm from 'node:vm';
import { sequenceId } from '../src/ids.ts';
import { createPooledCache } from '../src/kv/pooled-cache.ts';
import type { GenerateCommand } from '../src/ports.ts';
import { greedySampling } from '../src/sampling-params.ts';
import { createScheduler } from '../src/scheduler/scheduler.ts';
import { denseLastRows } from '../src/scheduler/step-batch.ts';
import { startCommand } from './command.ts';
import { resultsFlags } from './flags.ts';
import { describeCircumstances, writeResults } from './results.ts';
import { percentiles } from './statistics.ts';

interface Load {
  readonly runningCount: number;
  readonly waitingCount: number;
}

const loads: readonly Load[] = [
  { runningCount: 1, waitingCount: 0 },
  { runningCount: 32, waitingCount: 0 },
  { runningCount: 256, waitingCount: 0 },
  { runningCount: 256, waitingCount: 10_000 },
];
const promptTokens = 64;
const stepCount = 2000;

/** Steps after which as many run as may: prompts are let in one by one beside sequences that decode. */
const warmStepCount = 400;

/** Runs every load and prints a table; answers the exit code. */
export function main(argv: readonly string[]): number {
  const start = startCommand({ title: 'octet bench plan-step', flags: resultsFlags('plan-step') }, argv);
  if (start.kind === 'ended') return start.status;
  const circumstances = describeCircumstances(['plan-step', ...argv]);
  const rows: object[] = [];
  console.log('running  waiting   plan p50   plan p99   apply p50  apply p99   (microseconds a step)   bytes/waiting');
  for (const load of loads) {
    const { planUs, applyUs, waitingBytes } = measure(load);
    const shares = { p50: 0.5, p99: 0.99 };
    const plan = percentiles(planUs, shares);
    const apply = percentiles(applyUs, shares);
    rows.push({
      ...load,
      planUs: plan,
      applyUs: apply,
      waitingBytes: load.waitingCount === 0 ? undefined : waitingBytes,
    });
    const columns = [plan.p50, plan.p99, apply.p50, apply.p99].map((value) => (value ?? 0).toFixed(1).padStart(10));
    console.log(
      `${String(load.runningCount).padStart(7)}${String(load.waitingCount).padStart(9)}${columns.join(' ')}` +
        `${' '.repeat(26)}${load.waitingCount === 0 ? '-' : waitingBytes.toFixed(0)}`,
    );
  }
  if (!start.flags.noResults)
    console.log(`raw results: ${writeResults(start.flags, { ...circumstances, stepCount, rows })}`);
  return 0;
}

function measure({ runningCount, waitingCount }: Load) {
  const blockTokens = 16;
  const blockCount = Math.ceil(((promptTokens + stepCount + 2 * warmStepCount) * runningCount) / blockTokens);
  const cache = createPooledCache({ blockCount, blockTokens, cacheSeqCount: 256 });
  const scheduler = createScheduler(
    {
      sequencesMax: runningCount,
      stepTokensMax: 4096,
      contextTokensMax: blockCount * blockTokens,
      itlTargetMs: 0,
      policy: 'fcfs',
      preemption: 'auto',
      kvBytesPerToken: 1000,
      parkBytesMax: 1e9,
      endTokenIds: [],
    },
    cache,
  );
  let nowMs = 0;
  for (let id = 1; id <= runningCount; id++) scheduler.submit(command(id), nowMs);
  for (let warm = 0; warm < warmStepCount; warm++) turn(scheduler, nowMs);
  const before = memoryBytes();
  for (let id = 1; id <= waitingCount; id++) scheduler.submit(command(runningCount + id), nowMs);
  const waitingBytes = (memoryBytes() - before) / Math.max(waitingCount, 1) - promptTokens * 4;
  const planUs: number[] = [];
  const applyUs: number[] = [];
  for (let step = 0; step < stepCount; step++) {
    nowMs += 1;
    const { planned, applied } = turn(scheduler, nowMs);
    planUs.push(planned * 1000);
    applyUs.push(applied * 1000);
  }
  return { planUs, applyUs, waitingBytes };

  function turn(subject: typeof scheduler, atMs: number): { planned: number; applied: number } {
    const started = performance.now();
    const plan = subject.plan(atMs);
    cache.takeOps();
    const planned = performance.now() - started;
    if (plan === undefined) return { planned, applied: 0 };
    const applyStarted = performance.now();
    const drawing = subject.computed(plan, { lastRows: denseLastRows(plan), nowMs: atMs });
    subject.drawn(drawing, { tokens: new Int32Array(drawing.rows.length).fill(7), nowMs: atMs });
    subject.observe(plan, 10);
    subject.takeEvents();
    return { planned, applied: performance.now() - applyStarted };
  }
}

v8.setFlagsFromString('--expose-gc');
const collectGarbage: unknown = vm.runInNewContext('gc');

/** Without garbage; once is not always enough for what the measurement before left. */
function memoryBytes(): number {
  for (let round = 0; round < 2; round++) if (typeof collectGarbage === 'function') collectGarbage();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

function command(id: number): GenerateCommand {
  const tokens = Int32Array.from({ length: promptTokens }, (_, index) => (Math.imul(id, 7919) + index) & 0xffff);
  return {
    kind: 'generate',
    choices: [{ sequenceId: sequenceId(id), seed: id }],
    tokens,
    generatedCount: 0,
    outputTokensMax: 1_000_000,
    sampling: greedySampling,
    stopTokenIds: [],
    ignoreEos: true,
    priority: 0,
    fairnessKey: 'bench',
    namespace: '',
    timeLimit: undefined,
  };
}
