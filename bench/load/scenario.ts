// Picks the kind of load that the flags ask for and hides it behind one function: run it once, with these seeds.
// Why the seeds are an argument: each repeat gets fresh prompts (a cache must not have seen them), both servers the same ones.

import { readFileSync } from 'node:fs';
import { mixSeed } from '../random.ts';
import { parseTrace } from '../trace.ts';
import { type LoadFlags, parseUsersAndTurns } from './flags.ts';
import { planLongPrompt, runLongPrompt } from './long-prompt.ts';
import { type RunOptions, runClosed, runConversations, runOpen } from './run.ts';
import type { RunRecord, Seeds } from './types.ts';
import { type Lengths, planRequests, planTrace } from './workload.ts';

export interface Scenario {
  readonly kind: 'requests' | 'long-prompt';
  /** One line for the reader of the table. */
  readonly title: string;
  run(seeds: Seeds, options: RunOptions): Promise<RunRecord>;
}

/** The load that `flags` describe. Throws an Error when the trace file cannot be read. */
export function buildScenario(flags: LoadFlags): Scenario {
  if (flags.longPromptAfter > 0) return longPromptScenario(flags);
  if (flags.multiTurn !== '') return conversationScenario(flags);
  if (flags.trace !== '') return traceScenario(flags);
  return flags.rate > 0 ? openScenario(flags) : closedScenario(flags);
}

function closedScenario(flags: LoadFlags): Scenario {
  const count = requestCount(flags);
  return {
    kind: 'requests',
    title: `${flags.streams} streams, ${count} requests, ${describeLengths(flags)}`,
    run: (seeds, options) => runClosed(planRequests(count, lengthsOf(flags), { seeds }), flags.streams, options),
  };
}

function openScenario(flags: LoadFlags): Scenario {
  const count = requestCount(flags);
  return {
    kind: 'requests',
    title: `${flags.rate} requests/s (Poisson), ${count} requests, ${describeLengths(flags)}`,
    run: (seeds, options) =>
      runOpen(planRequests(count, lengthsOf(flags), { seeds, ratePerSecond: flags.rate }), options),
  };
}

function traceScenario(flags: LoadFlags): Scenario {
  const rows = parseTrace(readFileSync(flags.trace, 'utf8'));
  const plan = (seeds: Seeds) =>
    planTrace(rows, {
      seeds,
      count: flags.requests === 0 ? rows.length : flags.requests,
      lengthScale: flags.traceScale,
      timeScale: flags.timeScale,
      contextTokens: flags.context === 0 ? Number.POSITIVE_INFINITY : flags.context,
    });
  const { planned, leftOut } = plan({ arrivals: 0, prompts: 0 });
  if (planned.length === 0) throw new Error(`no request of the trace fits --context ${flags.context}`);
  const spanSeconds = (planned.at(-1)?.arrivalMs ?? 0) / 1000;
  return {
    kind: 'requests',
    title: `trace: ${planned.length} requests over ${spanSeconds.toFixed(1)} s, ${leftOut} left out as too long`,
    run: (seeds, options) => runOpen(plan(seeds).planned, options),
  };
}

function conversationScenario(flags: LoadFlags): Scenario {
  const { users, turns } = parseUsersAndTurns(flags.multiTurn) ?? { users: 1, turns: 1 };
  return {
    kind: 'requests',
    title: `${users} users at once, ${turns} turns each, ${describeLengths(flags)} a turn`,
    run: (seeds, options) => {
      if (options.scale.kind !== 'text') throw new Error('conversations need text prompts');
      const conversations = Array.from({ length: users }, (_, user) => {
        const opening = planRequests(turns, lengthsOf(flags), {
          seeds: { ...seeds, prompts: mixSeed(seeds.prompts, user) },
        });
        // The prefix opens a conversation; later turns have it in their history.
        return opening.map((turn, index) => (index === 0 ? turn : { ...turn, segments: turn.segments.slice(-1) }));
      });
      return runConversations(conversations, options.scale, options);
    },
  };
}

function longPromptScenario(flags: LoadFlags): Scenario {
  return {
    kind: 'long-prompt',
    title: `${flags.streams} streams decoding when a prompt of ${flags.longPromptTokens} tokens arrives after ${flags.longPromptAfter} s`,
    run: (seeds, options) =>
      runLongPrompt(
        planLongPrompt({
          streams: flags.streams,
          promptTokens: flags.promptTokens,
          outputTokens: flags.outputTokens,
          longPromptTokens: flags.longPromptTokens,
          afterMs: flags.longPromptAfter * 1000,
          seed: seeds.prompts,
        }),
        options,
      ),
  };
}

function lengthsOf(flags: LoadFlags): Lengths {
  const { promptTokens, outputTokens, sharedPrefix, lengthSpread, longShare, longTimes } = flags;
  return {
    promptTokens,
    outputTokens,
    sharedPrefix,
    spread: lengthSpread,
    long: { share: longShare, times: longTimes },
  };
}

function requestCount(flags: LoadFlags): number {
  return flags.requests === 0 ? 4 * flags.streams : flags.requests;
}

function describeLengths(flags: LoadFlags): string {
  const prefix = flags.sharedPrefix === 0 ? 'unique prompts of' : `a shared prefix of ${flags.sharedPrefix} tokens and`;
  const spread = flags.lengthSpread === 0 ? '' : `, each ±${Math.round(100 * flags.lengthSpread)} %`;
  const long =
    flags.longShare === 0
      ? ''
      : `, ${Math.round(100 * flags.longShare)} % of the answers ${flags.longTimes} times as long`;
  return `${prefix} ${flags.promptTokens} prompt tokens, ${flags.outputTokens} output tokens${spread}${long}`;
}
