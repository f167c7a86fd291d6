// Where the last few tokens of a sequence stood before: an index of all its runs of `gramTokens`, the newest first.
// Why chains behind one table and not a map of strings: adding a token is a hash and two writes, memory is three integers a
// token, and what has left the window needs no removing (the way of deflate's matcher, RFC 1951).
//
//   heads[hash]          end of the newest run with this hash: position of its last token, plus 1; 0 means none
//   previous[position]   end of the run before it with the same hash, likewise; a ring as long as the window

import { at } from '../../kv/typed-array.ts';
import type { GrowingTokens } from './types.ts';

export interface GramIndexOptions {
  /** Shortest run that counts as a match. */
  readonly gramTokens: number;
  /** Longest run that is told apart from shorter ones. */
  readonly matchTokensMax: number;
  /** Newest tokens that are remembered; rounded up to a power of two. */
  readonly windowTokens: number;
}

/** An earlier place where the sequence's last `length` tokens stood. */
export interface Match {
  /** Position after the earlier run: its token is what followed then. */
  readonly next: number;
  /** gramTokens to matchTokensMax. */
  readonly length: number;
}

export interface GramIndex {
  /** Takes in what the sequence grew by, and finds the longest earlier match of its end, the newest among equals. */
  find(sequence: GrowingTokens): Match | undefined;
  /** Bytes held. */
  readonly byteLength: number;
}

/** Earlier places looked at for one search: bounds its cost where a short run occurs all the time. */
const placesMax = 16;
const capacityMin = 64;

/** An empty index. O(1) a token, at most 12 bytes a token of the window. */
export function createGramIndex(options: GramIndexOptions): GramIndex {
  const { gramTokens, matchTokensMax } = options;
  const capacityMax = powerOfTwo(options.windowTokens);
  let previous = new Int32Array(0);
  let heads = new Int32Array(0);
  let indexedCount = 0;

  function add({ tokens }: GrowingTokens, last: number): void {
    if (last + 1 < gramTokens) return;
    const hash = hashOf(tokens, last, gramTokens) & (heads.length - 1);
    previous[last & (previous.length - 1)] = at(heads, hash);
    heads[hash] = last + 1;
  }

  function takeIn(sequence: GrowingTokens): void {
    const { tokenCount } = sequence;
    if (tokenCount > previous.length && previous.length < capacityMax) {
      const capacity = Math.min(powerOfTwo(Math.max(tokenCount, capacityMin)), capacityMax);
      previous = new Int32Array(capacity);
      heads = new Int32Array(2 * capacity);
      indexedCount = Math.max(0, tokenCount - capacity);
    }
    for (; indexedCount < tokenCount; indexedCount++) add(sequence, indexedCount);
  }

  function matchLength({ tokens, tokenCount }: GrowingTokens, end: number): number {
    const limit = Math.min(matchTokensMax, end);
    let length = 0;
    while (length < limit && tokens[end - 1 - length] === tokens[tokenCount - 1 - length]) length += 1;
    return length;
  }

  return {
    find(sequence) {
      const { tokens, tokenCount } = sequence;
      takeIn(sequence);
      if (tokenCount <= gramTokens) return undefined;
      let end = at(heads, hashOf(tokens, tokenCount - 1, gramTokens) & (heads.length - 1));
      let best: Match | undefined;
      for (let places = 0; places < placesMax && end > Math.max(0, tokenCount - previous.length); places++) {
        const length = end === tokenCount ? 0 : matchLength(sequence, end);
        if (length >= gramTokens && length > (best?.length ?? 0)) best = { next: end, length };
        if (length === matchTokensMax) break;
        end = at(previous, (end - 1) & (previous.length - 1));
      }
      return best;
    },
    get byteLength() {
      return previous.byteLength + heads.byteLength;
    },
  };
}

/** Source of the mixing constants: MurmurHash3's 32-bit finalizer. */
function hashOf(tokens: Int32Array, last: number, count: number): number {
  let hash = 0x9e3779b9;
  for (let index = last - count + 1; index <= last; index++) {
    hash = Math.imul(hash ^ at(tokens, index), 0x85ebca6b);
    hash ^= hash >>> 15;
  }
  hash = Math.imul(hash, 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

function powerOfTwo(atLeast: number): number {
  return 2 ** Math.ceil(Math.log2(atLeast));
}
