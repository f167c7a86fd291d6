// Random commands for the model run of the cache, over a vocabulary of two tokens so that prefixes meet all the time.

import fc from 'fast-check';

export type Command =
  /** A request that begins with `keptCount` tokens of an earlier sequence, running or ended. */
  | {
      readonly kind: 'admit';
      readonly pick: number;
      readonly keptCount: number;
      readonly tokens: readonly number[];
      readonly namespace: string;
    }
  | { readonly kind: 'restore'; readonly pick: number }
  | { readonly kind: 'fill'; readonly pick: number; readonly filledCount: number; readonly fails: boolean }
  | { readonly kind: 'compute'; readonly pick: number; readonly count: number }
  | { readonly kind: 'generate'; readonly pick: number; readonly tokens: readonly number[] }
  /** Guesses computed behind the last token, of which so many come true; nothing unless only the last token is uncomputed. */
  | {
      readonly kind: 'guess';
      readonly pick: number;
      readonly tokens: readonly number[];
      readonly acceptedCount: number;
    }
  | { readonly kind: 'fork'; readonly pick: number }
  | { readonly kind: 'release'; readonly pick: number; readonly keep: 'keep' | 'discard'; readonly inFlight: number }
  | { readonly kind: 'gather'; readonly movesMax: number; readonly lossTokensMax: number }
  | { readonly kind: 'weigh'; readonly foundTokens: number; readonly unheldTokens: number }
  /** Content that an admission of an earlier sequence's tokens, or of one to be filled, would drive out is held. */
  | { readonly kind: 'hold'; readonly pick: number; readonly fills: boolean }
  | { readonly kind: 'hold-to-fill'; readonly pick: number }
  | { readonly kind: 'end-hold'; readonly pick: number; readonly keep: 'keep' | 'discard' }
  | { readonly kind: 'clear' };

/** fast-check settings of every model run: as many runs as fit the time. */
export const boundedByTime = {
  numRuns: 1_000_000,
  interruptAfterTimeLimit: 2500,
  markInterruptAsFailure: false,
} as const;

/** Command lists over a vocabulary of two tokens. */
export function commandLists(tokensMax: number): fc.Arbitrary<Command[]> {
  const pick = fc.nat(1000);
  const namespace = fc.constantFrom('', '', '', 'salt');
  const tokens = (max: number) => fc.array(fc.nat(1), { minLength: 1, maxLength: max, size: 'max' });
  const count = fc.oneof(fc.integer({ min: 1, max: tokensMax }), fc.constant(tokensMax));
  const keptCount = fc.oneof(fc.nat(tokensMax), fc.constant(tokensMax));
  const worth = fc.constantFrom(0, 4.5, Number.POSITIVE_INFINITY);
  const keep = fc.constantFrom<'keep' | 'discard'>('keep', 'keep', 'keep', 'discard');
  const one = fc.oneof(
    {
      weight: 50,
      arbitrary: fc.record({ kind: fc.constant('admit' as const), pick, keptCount, tokens: tokens(8), namespace }),
    },
    { weight: 5, arbitrary: fc.record({ kind: fc.constant('restore' as const), pick }) },
    {
      weight: 8,
      arbitrary: fc.record({ kind: fc.constant('fill' as const), pick, filledCount: count, fails: fc.boolean() }),
    },
    { weight: 60, arbitrary: fc.record({ kind: fc.constant('compute' as const), pick, count }) },
    { weight: 25, arbitrary: fc.record({ kind: fc.constant('generate' as const), pick, tokens: tokens(4) }) },
    { weight: 10, arbitrary: fc.record({ kind: fc.constant('fork' as const), pick }) },
    {
      weight: 20,
      arbitrary: fc.record({ kind: fc.constant('guess' as const), pick, tokens: tokens(6), acceptedCount: fc.nat(6) }),
    },
    { weight: 30, arbitrary: fc.record({ kind: fc.constant('release' as const), pick, keep, inFlight: fc.nat(4) }) },
    {
      weight: 15,
      arbitrary: fc.record({
        kind: fc.constant('gather' as const),
        movesMax: fc.nat(4),
        lossTokensMax: fc.constantFrom(0, 8, Number.POSITIVE_INFINITY),
      }),
    },
    {
      weight: 4,
      arbitrary: fc.record({ kind: fc.constant('weigh' as const), foundTokens: worth, unheldTokens: worth }),
    },
    { weight: 12, arbitrary: fc.record({ kind: fc.constant('hold' as const), pick, fills: fc.boolean() }) },
    { weight: 8, arbitrary: fc.record({ kind: fc.constant('hold-to-fill' as const), pick }) },
    { weight: 20, arbitrary: fc.record({ kind: fc.constant('end-hold' as const), pick, keep }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('clear' as const) }) },
  );
  return fc.array(one, { minLength: 1, maxLength: 120, size: 'max' });
}
