// Flags of `load`, and the checks that concern several of them at once.
// Why one flat list: a benchmark is quoted by its command line, so everything that shapes the load is on it.

import type { z } from 'zod';
import { choiceFlag, countFlag, numberFlag, resultsFlags, switchFlag, textFlag } from '../flags.ts';

const tokensBounds = { min: 1, max: 1_000_000 };

export const loadFlags = {
  url: textFlag('http://127.0.0.1:8080', 'server to drive'),
  peerUrl: textFlag('', 'second server: runs alternate between the two and the table shows the ratio'),
  label: textFlag('octet', 'heading of the first column'),
  peerLabel: textFlag('peer', 'heading of the second column'),
  api: choiceFlag(['completions', 'chat'], 'which API to call'),
  model: textFlag('', 'model id; empty asks /v1/models'),
  peerModel: textFlag('', "the peer's model id; empty asks /v1/models"),
  key: textFlag('', 'API key, or OCTET_BENCH_KEY in the environment'),
  peerKey: textFlag('', "the peer's API key, or OCTET_BENCH_PEER_KEY in the environment"),
  streams: countFlag(8, { min: 1, max: 10_000 }, 'closed loop: requests in flight at once'),
  requests: countFlag(0, { min: 0, max: 1_000_000 }, 'requests in a run; 0 means 4 a stream, or the whole trace'),
  rate: numberFlag(0, { min: 0, max: 100_000 }, 'open loop: Poisson arrivals a second; 0 means closed loop'),
  trace: textFlag('', 'open loop: arrival times and lengths from an Azure .csv or Mooncake .jsonl file'),
  traceScale: numberFlag(1, { min: 0.0001, max: 100 }, "multiplies the trace's lengths"),
  timeScale: numberFlag(1, { min: 0.0001, max: 100 }, "multiplies the trace's arrival times: 0.1 is ten times faster"),
  context: countFlag(
    0,
    { min: 0, max: 10_000_000 },
    'leave out trace requests longer than this in all; 0 keeps every one',
  ),
  promptTokens: countFlag(64, tokensBounds, 'prompt length, the shared prefix not counted'),
  outputTokens: countFlag(64, tokensBounds, 'tokens to generate'),
  lengthSpread: numberFlag(0, { min: 0, max: 0.95 }, 'lets prompt and output lengths vary evenly by this share'),
  longShare: numberFlag(0, { min: 0, max: 0.95 }, 'share of the answers that are --long-times as long'),
  longTimes: numberFlag(6, { min: 1, max: 1000 }, 'how many times as long'),
  sharedPrefix: countFlag(0, { min: 0, max: 1_000_000 }, 'tokens that all prompts of a run begin with'),
  multiTurn: textFlag('', 'UxT: U users at once, each in a conversation of T turns that grows (text prompts only)'),
  longPromptAfter: numberFlag(
    0,
    { min: 0, max: 600 },
    'seconds after which a long prompt joins --streams decoding streams; 0 is off',
  ),
  longPromptTokens: countFlag(4000, tokensBounds, 'length of that long prompt'),
  promptKind: choiceFlag(
    ['text', 'tokens'],
    'send text (its length calibrated) or token ids (exact; completions only)',
  ),
  vocab: countFlag(0, { min: 0, max: 10_000_000 }, 'token ids are drawn below this; needed for --prompt-kind tokens'),
  temperature: numberFlag(0, { min: 0, max: 2 }, 'sampling temperature; 0 is greedy'),
  topP: numberFlag(1, { min: 0.01, max: 1 }, 'nucleus sampling: the share of probability drawn from; 1 is all'),
  topK: numberFlag(
    -1,
    { min: -1, max: 1_000_000 },
    'likeliest tokens drawn from, sent with min_p 0; 0 is all, -1 leaves both to the server',
  ),
  schema: textFlag('', 'file with a JSON schema that every answer must meet (response_format)'),
  compareSchema: switchFlag('drive the one server with and without --schema in turn; the ratio is with to without'),
  sloTtftMs: numberFlag(
    0,
    { min: 0, max: 3_600_000 },
    'goodput counts requests whose first token came within this; 0 sets no limit',
  ),
  sloItlMs: numberFlag(
    0,
    { min: 0, max: 3_600_000 },
    'and whose inter-token times are all within this; 0 sets no limit',
  ),
  repeats: countFlag(3, { min: 1, max: 100 }, 'runs per server; figures are medians over them'),
  warmup: countFlag(4, { min: 0, max: 1000 }, 'requests sent to each server first, not counted'),
  pauseSeconds: numberFlag(1, { min: 0, max: 600 }, 'rest between runs'),
  seed: countFlag(1, { min: 0, max: 2 ** 32 - 1 }, 'fixes arrival times'),
  promptSeed: countFlag(
    0,
    { min: 0, max: 2 ** 32 - 1 },
    'fixes prompts; 0 draws new ones, which no cache can have seen',
  ),
  timeoutSeconds: numberFlag(600, { min: 0.1, max: 86_400 }, 'a request that has not ended by then has failed'),
  noKeepAlive: switchFlag('open a connection per request'),
  ...resultsFlags('load'),
};

export type LoadFlags = z.output<z.ZodObject<typeof loadFlags>>;

/** Combinations that make no sense, each in one line. */
export function findConflicts(flags: LoadFlags): string[] {
  const faults: string[] = [];
  const modes = modeNames(flags);
  if (modes.length > 1)
    faults.push(`at most one of --rate, --trace, --multi-turn, --long-prompt-after. Given: ${modes.join(', ')}`);
  if (flags.promptKind === 'tokens') {
    if (flags.api === 'chat') faults.push('--prompt-kind tokens needs --api completions. Given: chat');
    if (flags.vocab <= tokenIdFirst)
      faults.push(`--vocab must be > ${tokenIdFirst} with --prompt-kind tokens. Given: ${flags.vocab}`);
    if (flags.multiTurn !== '') faults.push('--multi-turn needs --prompt-kind text. Given: tokens');
  }
  if (flags.multiTurn !== '' && parseUsersAndTurns(flags.multiTurn) === undefined)
    faults.push(`--multi-turn must look like 8x4, both at least 1. Given: ${flags.multiTurn}`);
  if (flags.compareSchema && flags.schema === '') faults.push('--compare-schema needs --schema. Given: none');
  if (flags.compareSchema && flags.peerUrl !== '')
    faults.push(`--compare-schema needs one server, and no --peer-url. Given: ${flags.peerUrl}`);
  for (const [name, value] of [
    ['--url', flags.url],
    ['--peer-url', flags.peerUrl],
  ] as const)
    if (value !== '' && !isHttpUrl(value)) faults.push(`${name} must be an http or https URL. Given: ${value}`);
  if (!/^[\w.-]+$/.test(flags.name))
    faults.push(`--name may hold letters, digits, dot, dash and underscore. Given: ${flags.name}`);
  return faults;
}

/** Token ids below this are control and byte tokens in many vocabularies; prompts are drawn above them. */
export const tokenIdFirst = 260;

/** "8x4" as 8 users and 4 turns. */
export function parseUsersAndTurns(text: string): { readonly users: number; readonly turns: number } | undefined {
  const match = /^([1-9]\d{0,4})x([1-9]\d{0,3})$/.exec(text);
  return match === null ? undefined : { users: Number(match[1]), turns: Number(match[2]) };
}

function modeNames(flags: LoadFlags): string[] {
  const given = [
    { name: '--rate', isGiven: flags.rate > 0 },
    { name: '--trace', isGiven: flags.trace !== '' },
    { name: '--multi-turn', isGiven: flags.multiTurn !== '' },
    { name: '--long-prompt-after', isGiven: flags.longPromptAfter > 0 },
  ];
  return given.filter((mode) => mode.isGiven).map((mode) => mode.name);
}

function isHttpUrl(text: string): boolean {
  return URL.canParse(text) && /^https?:/.test(text);
}
