// Puts the grammar side of an engine together. No thread starts before the first grammar is asked for.

import type { SequenceMasks } from '../grammar-port.ts';
import { createCompiledGrammars } from './compiled-grammars.ts';
import { createSequenceMasks } from './sequence-masks.ts';
import { createThreadStarter } from './threads/grammar-thread.ts';
import { createInstance } from './threads/instance.ts';
import { readVocabulary } from './threads/vocabulary.ts';

export interface MasksOptions {
  readonly vocabularySize: number;
  readonly endTokenIds: readonly number[];
  /** The bytes that a token writes; none for control tokens. */
  readonly pieceBytes: (token: number) => Uint8Array;
  /** Time to compile one grammar. */
  readonly timeoutMs: number;
  /** Told of each round: how many masks, and how long they took. */
  readonly onMasks?: (count: number, elapsedMs: number) => void;
}

/** A busy machine may hold a thread up for so long; a mask itself takes a millisecond. */
const maskMsMin = 5_000;

export function createMasks(options: MasksOptions): SequenceMasks {
  const { vocabularySize, timeoutMs, onMasks = () => undefined } = options;
  // Read while the engine loads: later it would hold up a step.
  const startThread = createThreadStarter(readVocabulary(options));
  const grammars = createCompiledGrammars({ createInstance: () => createInstance(startThread, onMasks), timeoutMs });
  return createSequenceMasks({ grammars, vocabularySize, maskMsMax: Math.max(timeoutMs, maskMsMin) });
}
