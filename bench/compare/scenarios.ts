// The loads of the README's comparison table, and what each server needs to run them.
// Why both servers get the same room: llama-server divides its context by its streams, so `streamTokens` is what one of its
// streams can hold, and Octet gets blocks for exactly as many tokens in all.

export interface ComparedScenario {
  readonly name: string;
  /** Which machine it is made for: what keeps two cores busy is nothing to a GPU. */
  readonly set: 'cpu' | 'gpu';
  /** The row's heading in the table. */
  readonly title: string;
  readonly streams: number;
  /** Longest request, prompt and answer together. */
  readonly streamTokens: number;
  readonly loadFlags: Readonly<Record<string, string | number>>;
}

/**
 * What is sent with sampled requests. Both name top-k and min-p, because servers differ in what they add unasked (llama-server:
 * top-k 40 and min-p 0.05), and a vocabulary cut to 40 is another amount of work.
 */
const draws = {
  greedy: {},
  'top-p': { temperature: 0.8, 'top-p': 0.95, 'top-k': 0 },
  'top-k': { temperature: 0.8, 'top-p': 0.95, 'top-k': 40 },
} as const;

/** What ends late keeps a few sequences decoding alone, wherever in the cache they are. */
const unevenAnswers = { 'length-spread': 0.5, 'long-share': 0.15, 'long-times': 6 };

export const comparedScenarios: readonly ComparedScenario[] = [
  unique(1, 8),
  unique(8, 32),
  unique(32, 64),
  {
    name: 'mixed-32',
    set: 'cpu',
    title: '32 streams, 64 + 64 tokens ± 80 %, unique',
    streams: 32,
    streamTokens: 256,
    loadFlags: { requests: 64, 'prompt-tokens': 64, 'output-tokens': 64, 'length-spread': 0.8 },
  },
  {
    name: 'batch-64',
    set: 'cpu',
    title: 'a batch of 64, 64 + 40 tokens ± 50 %, one answer in seven 6 times as long',
    streams: 64,
    streamTokens: 512,
    loadFlags: { requests: 64, 'prompt-tokens': 64, 'output-tokens': 40, ...unevenAnswers },
  },
  {
    name: 'shared-prefix',
    set: 'cpu',
    title: '32 streams, shared prefix of 512, 32 + 32 tokens',
    streams: 32,
    streamTokens: 640,
    loadFlags: { requests: 64, 'shared-prefix': 512, 'prompt-tokens': 32, 'output-tokens': 32 },
  },
  {
    name: 'long-prompt',
    set: 'cpu',
    title: '8 streams when a prompt of 4,000 tokens arrives',
    streams: 8,
    streamTokens: 4608,
    loadFlags: { 'long-prompt-after': 5, 'long-prompt-tokens': 4000, 'output-tokens': 2000 },
  },
  {
    name: 'multi-turn',
    set: 'cpu',
    title: '8 users, 6 turns of 64 + 32 tokens, history growing',
    streams: 8,
    streamTokens: 1024,
    loadFlags: { 'multi-turn': '8x6', 'prompt-tokens': 64, 'output-tokens': 32 },
  },
  {
    name: 'multi-turn-24',
    set: 'cpu',
    title: '24 users over room for 8, 4 turns of 64 + 16 tokens, history growing',
    streams: 8,
    streamTokens: 512,
    loadFlags: { 'multi-turn': '24x4', 'prompt-tokens': 64, 'output-tokens': 16 },
  },
  ...[1, 8, 64, 128].map((streams) => onGpu(streams, 'greedy')),
  onGpu(64, 'top-p'),
  onGpu(64, 'top-k'),
  {
    name: 'gpu-batch-64',
    set: 'gpu',
    title: 'a batch of 64, 300 + 64 tokens ± 50 %, one answer in seven 6 times as long',
    streams: 64,
    streamTokens: 1088,
    loadFlags: { requests: 64, 'prompt-tokens': 300, 'output-tokens': 64, ...unevenAnswers },
  },
];

function unique(streams: number, requests: number): ComparedScenario {
  return {
    name: `unique-${streams}`,
    set: 'cpu',
    title: `${streams} ${streams === 1 ? 'stream' : 'streams'}, 64 + 64 tokens, unique`,
    streams,
    streamTokens: 256,
    loadFlags: { requests, 'prompt-tokens': 64, 'output-tokens': 64 },
  };
}

function onGpu(streams: number, draw: keyof typeof draws): ComparedScenario {
  return {
    name: `gpu-${streams}${draw === 'greedy' ? '' : `-${draw}`}`,
    set: 'gpu',
    title: `${streams} ${streams === 1 ? 'stream' : 'streams'}, 300 + 64 tokens, unique, ${draw}`,
    streams,
    streamTokens: 512,
    loadFlags: { requests: Math.max(8, 3 * streams), 'prompt-tokens': 300, 'output-tokens': 64, ...draws[draw] },
  };
}

/** A trace's requests at its own arrival times, so that what counts is how many of them are served in time. */
export function traceScenario(file: string, { lengthScale, timeScale }: TraceScales): ComparedScenario {
  return {
    name: traceName,
    set: 'cpu',
    title: `trace, lengths x ${lengthScale}, arrival times x ${timeScale}`,
    streams: 32,
    streamTokens: 512,
    loadFlags: {
      trace: file,
      requests: 300,
      'trace-scale': lengthScale,
      'time-scale': timeScale,
      context: 512,
      'slo-ttft-ms': 2000,
      'slo-itl-ms': 200,
    },
  };
}

export interface TraceScales {
  readonly lengthScale: number;
  readonly timeScale: number;
}

export const traceName = 'trace';

/** Streams that the servers must hold: a long prompt comes on top of those that decode. */
export function streamsHeld({ streams, loadFlags }: ComparedScenario): number {
  return 'long-prompt-after' in loadFlags ? streams + 1 : streams;
}
