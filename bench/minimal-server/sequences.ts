// The sequences of one LlamaContext, lent to one request at a time; who finds none free waits in line.

import type { LlamaContextSequence } from 'node-llama-cpp';

export interface LentSequences {
  /** The first free one, once there is one. */
  take(): Promise<LlamaContextSequence>;
  giveBack(sequence: LlamaContextSequence): void;
}

export function lendSequences(sequences: readonly LlamaContextSequence[]): LentSequences {
  const free = [...sequences];
  const waiting: ((sequence: LlamaContextSequence) => void)[] = [];
  return {
    take() {
      const sequence = free.shift();
      return sequence === undefined ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve(sequence);
    },
    giveBack(sequence) {
      const next = waiting.shift();
      if (next === undefined) free.push(sequence);
      else next(sequence);
    },
  };
}
