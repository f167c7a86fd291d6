// Puts the grammar side of an engine together. No thread starts before the first grammar is asked for.

import type { GrammarCompile, SequenceMasks } from '../grammar-port.ts';
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
}

/** A busy machine may hold a thread up for so long; a mask itself takes a millisecond. */
const maskMsMin = 5_000;

export function createMasks(options: MasksOptions): SequenceMasks {
  const { vocabularySize, timeoutMs } = options;
  let compiles: GrammarCompile[] = [];
  let maskMs = 0;
  // Read while the engine loads: later it would hold up a step.
  const startThread = createThreadStarter(readVocabulary(options));
  const onMasks = (elapsedMs: number): void => {
    maskMs += elapsedMs;
  };
  const grammars = createCompiledGrammars({
    createInstance: () => createInstance(startThread, onMasks),
    timeoutMs,
    onCompile: (compile) => void compiles.push(compile),
  });
  return {
    ...createSequenceMasks({ grammars, vocabularySize, maskMsMax: Math.max(timeoutMs, maskMsMin) }),
    takeCompiles() {
      const taken = compiles;
      compiles = [];
      return taken;
    },
    takeMaskMs() {
      const taken = maskMs;
      maskMs = 0;
      return taken;
    },
  };
}
