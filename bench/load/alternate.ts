// Runs one scenario several times against one server or two in turn (A B, B A, A B ...).
// Why in turn, and the order swapped each time: whatever drifts on the machine meanwhile then falls on both alike.

import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { mixSeed } from '../random.ts';
import { calibrate } from './calibrate.ts';
import { createAgent } from './client.ts';
import { type LoadFlags, tokenIdFirst } from './flags.ts';
import type { PromptScale } from './prompts.ts';
import { type RunOptions, runClosed } from './run.ts';
import type { Scenario } from './scenario.ts';
import type { RunRecord, Seeds, Target } from './types.ts';
import { planRequests } from './workload.ts';

/** One server and its runs, in the order of the repeats. */
export interface Side {
  readonly target: Target;
  readonly runs: RunRecord[];
}

/** Runs `scenario` `flags.repeats` times on each target; `onRun` hears of each run as it ends. */
export async function alternate(
  targets: readonly Target[],
  scenario: Scenario,
  options: { readonly flags: LoadFlags; readonly onRun: (side: Side, run: RunRecord) => void },
): Promise<{ readonly sides: readonly Side[]; readonly scale: PromptScale; readonly promptSeed: number }> {
  const { flags } = options;
  const promptSeed = flags.promptSeed === 0 ? randomInt(1, 2 ** 32) : flags.promptSeed;
  const scale = await findScale(targets, flags);
  const sides = targets.map((target): Side => ({ target, runs: [] }));
  for (const target of targets) await warmUp(runOptions(target, scale, flags), flags, promptSeed);
  for (let repeat = 0; repeat < flags.repeats; repeat++) {
    const order = repeat % 2 === 0 ? sides : sides.toReversed();
    for (const side of order) {
      await sleep(flags.pauseSeconds * 1000);
      // One server that is driven twice would find the second side's prompts cached, were they the first's.
      const sideSeed = flags.compareSchema ? mixSeed(promptSeed, sides.indexOf(side)) : promptSeed;
      const run = await scenario.run(seedsOf(flags, sideSeed, repeat), runOptions(side.target, scale, flags));
      side.runs.push(run);
      options.onRun(side, run);
    }
  }
  return { sides, scale, promptSeed };
}

/** Both servers get the same prompts, so the first one alone is asked what a word costs. */
async function findScale(targets: readonly Target[], flags: LoadFlags): Promise<PromptScale> {
  if (flags.promptKind === 'tokens') return { kind: 'tokens', from: tokenIdFirst, to: flags.vocab };
  const [first] = targets;
  if (first === undefined) throw new Error('no server to drive');
  const agent = createAgent(first, false);
  try {
    return await calibrate(first, agent, flags.seed);
  } finally {
    agent.destroy();
  }
}

async function warmUp(options: RunOptions, flags: LoadFlags, promptSeed: number): Promise<void> {
  if (flags.warmup === 0) return;
  const lengths = { promptTokens: flags.promptTokens, outputTokens: warmupOutputTokens, sharedPrefix: 0 };
  const planned = planRequests(flags.warmup, lengths, { seeds: seedsOf(flags, promptSeed, warmupRepeat) });
  await runClosed(planned, Math.min(flags.warmup, flags.streams), options);
}

function seedsOf(flags: LoadFlags, promptSeed: number, repeat: number): Seeds {
  return { arrivals: mixSeed(flags.seed, repeat), prompts: mixSeed(promptSeed, repeat) };
}

function runOptions(target: Target, scale: PromptScale, flags: LoadFlags): RunOptions {
  return {
    target,
    scale,
    temperature: flags.temperature,
    topP: flags.topP,
    topK: flags.topK < 0 ? undefined : flags.topK,
    timeoutMs: flags.timeoutSeconds * 1000,
    keepAlive: !flags.noKeepAlive,
  };
}

const warmupOutputTokens = 8;
/** Far from any repeat's number: warm-up prompts are never measured again. */
const warmupRepeat = 0xffff;
