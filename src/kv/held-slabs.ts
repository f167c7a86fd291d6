// Slabs whose content is on its way to host memory, or from there, while steps run: neither running nor idle until the copy ends.
// Why held: a copy beside steps needs its positions to stay as they are, and whoever waits for the room gets it when the copy is made.

import { assert, must } from '../assert.ts';
import type { CacheSeqId } from '../ids.ts';
import { chooseSlab, chooseSlabToRestore } from './slab-choice.ts';
import {
  blocksFor,
  cutSlab,
  dropRepeated,
  evictFromSlab,
  isIdle,
  isOffered,
  type Slab,
  type SlabState,
} from './slabs.ts';
import type { CacheRequest, ContentHolds, HeldContent } from './types.ts';

export function createContentHolds(state: SlabState): ContentHolds {
  return {
    drivenOut: (request) => drivenOut(state, request),
    hold: (seq) => hold(slabAt(state, seq)),
    holdToFill: (content) => holdToFill(state, content),
    end: (held, keep) => end(state, slabAt(state, held.seq), keep),
  };
}

function slabAt({ slabs }: SlabState, seq: CacheSeqId): Slab {
  return must(slabs[seq], 'a native sequence id has a slab');
}

function drivenOut(state: SlabState, request: CacheRequest | undefined): HeldContent | undefined {
  const choice = request === undefined ? undefined : chooseSlab(state, request);
  const slab = request === undefined ? chooseSlabToRestore(state) : (choice?.refuge ?? choice?.target);
  if (slab === undefined) return undefined;
  const keptCount = choice === undefined || choice.refuge !== undefined ? 0 : choice.keptCount;
  if (!isOffered(state, slab, keptCount)) return undefined;
  const { seq, namespace, tokens, computedCount } = slab;
  return { seq, namespace, tokens: tokens.subarray(0, computedCount), tokenCount: computedCount };
}

function hold(slab: Slab): HeldContent | undefined {
  if (!isIdle(slab) || slab.computedCount === 0) return undefined;
  slab.isHeld = true;
  return contentOf(slab);
}

function contentOf({ seq, namespace, tokens, computedCount }: Slab): HeldContent {
  return { seq, namespace, tokens: tokens.slice(0, computedCount), tokenCount: computedCount };
}

function holdToFill(state: SlabState, { namespace, tokens, tokenCount }: CacheRequest): HeldContent | undefined {
  assert(tokenCount >= 1, 'content has at least one token');
  const slab = blocksFor(state, tokenCount) > state.blocksPerSlab ? undefined : chooseSlabToRestore(state);
  if (slab === undefined) return undefined;
  evictFromSlab(state, slab, 0);
  slab.isHeld = true;
  slab.namespace = namespace;
  slab.tokens.set(tokens.subarray(0, tokenCount));
  slab.plannedCount = tokenCount;
  return { seq: slab.seq, namespace, tokens: slab.tokens.slice(0, tokenCount), tokenCount };
}

function end(state: SlabState, slab: Slab, keep: 'keep' | 'discard'): void {
  assert(slab.isHeld, 'a hold ends once');
  slab.isHeld = false;
  if (keep === 'discard') state.evictedBlockCount += blocksFor(state, slab.computedCount);
  slab.computedCount = slab.plannedCount;
  if (keep === 'discard') {
    cutSlab(state, slab, 0);
    return;
  }
  state.clock += 1;
  slab.lastUse = state.clock;
  dropRepeated(state, slab);
}
