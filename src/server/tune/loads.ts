// What is timed: steps of a few numbers of rows, and the reading of prompts. Together they are what a user waits for.

import type { Knob } from './speed-values.ts';

export type Load =
  /** A step in which so many sequences get a token each; its cost is in milliseconds a step, the draws included. */
  | { readonly kind: 'decode'; readonly rows: number }
  /** Reading prompts; its cost is in milliseconds a token. */
  | { readonly kind: 'prompt' };

export type LoadName = `decode-${number}` | 'prompt';

export function loadName(load: Load): LoadName {
  return load.kind === 'prompt' ? 'prompt' : `decode-${load.rows}`;
}

/** A lone stream, a few, as many as run at once, and prompts. */
export function loadsFor(sequencesMax: number): readonly Load[] {
  const rows = new Set([1, Math.min(8, sequencesMax), sequencesMax]);
  return [...[...rows].map((count): Load => ({ kind: 'decode', rows: count })), { kind: 'prompt' }];
}

/** Whether a knob can change what a load costs: what it cannot change is not measured for it. */
export function isTouched(load: Load, knob: Knob): boolean {
  switch (knob) {
    case 'threads':
      return load.kind === 'decode' && load.rows === 1;
    case 'batchThreads':
      return load.kind === 'prompt' || load.rows > 1;
    case 'samplingThreads':
      return load.kind === 'decode' && load.rows > 1;
    case 'microBatch':
    case 'stepTokens':
      return load.kind === 'prompt';
    case 'flashAttention':
      return true;
  }
}
