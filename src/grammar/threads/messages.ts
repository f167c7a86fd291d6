// What the engine's thread and a grammar thread say to each other.
// Why masks travel in shared memory and not in messages: they are as long as the vocabulary, one for each sequence and step.

import type { GrammarSpec } from '../../grammar-port.ts';
import type { Vocabulary } from './vocabulary.ts';

export interface GrammarThreadStart {
  readonly vocabulary: Vocabulary;
  /** One word: the matcher that the thread works for at this moment, 0 between them. */
  readonly current: SharedArrayBuffer;
}

/** A sequence's next mask. */
export interface MaskRequest {
  readonly matcher: number;
  /** Tokens drawn since the last request. */
  readonly tokens: Int32Array;
  /** End only where nothing else is possible. */
  readonly avoidEnd: boolean;
}

export type ToGrammarThread =
  | { readonly kind: 'compile'; readonly grammar: number; readonly spec: GrammarSpec }
  | { readonly kind: 'forget'; readonly grammar: number }
  /** A matcher at the grammar's start; its masks are written into `mask`, shape (ceil(vocabularySize / 32),). */
  | { readonly kind: 'open'; readonly matcher: number; readonly grammar: number; readonly mask: SharedArrayBuffer }
  | { readonly kind: 'close'; readonly matcher: number }
  | { readonly kind: 'masks'; readonly round: number; readonly requests: readonly MaskRequest[] };

/** `complete`: the text is whole and nothing may follow, not even an end token. `rejected`: a drawn token was not allowed. */
export type MaskResult = 'mask' | 'complete' | 'rejected';

export type FromGrammarThread =
  | { readonly kind: 'ready' }
  | { readonly kind: 'compiled'; readonly grammar: number; readonly elapsedMs: number }
  /** The instance aborted: nothing in it can be trusted, and the thread is ending. */
  | { readonly kind: 'broken'; readonly reason: string }
  /** `results` has an entry for each request of the round; `elapsedMs` is the thread's own time. */
  | {
      readonly kind: 'masked';
      readonly round: number;
      readonly results: readonly MaskResult[];
      readonly elapsedMs: number;
    };
