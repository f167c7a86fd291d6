// The part of the model run that holds content, as copies beside steps do: to host memory, and from there.

import { assert } from '../../src/assert.ts';
import type { HeldContent, KvCache } from '../../src/kv/types.ts';
import type { Command } from './commands.ts';
import type { FakeNative } from './fake-native.ts';
import { prefixHashes, requestOf, type Told } from './model-tokens.ts';

export interface Hold {
  readonly held: HeldContent;
  /** Whether it comes from host memory: then it is computed content once the hold ends, not before. */
  readonly arrives: boolean;
}

export interface HoldModel {
  readonly cache: KvCache;
  readonly native: FakeNative;
  readonly holds: Hold[];
}

/** Holds what the admission of `request` would drive out, or nothing where it would drive out nothing. */
export function holdDrivenOut({ cache, native, holds }: HoldModel, request: Told | undefined): void {
  const content = cache.holds?.drivenOut(request && requestOf(request.namespace, request.tokens));
  if (content === undefined) return;
  const held = cache.holds?.hold(content.seq);
  assert(held !== undefined, 'what is driven out is idle');
  const said = hashesOf(held).join();
  assert(said === hashesOf(content).join(), 'what is held is what would be driven out');
  native.perform(cache.takeOps());
  assert(cache.holds?.hold(content.seq) === undefined, 'nothing is held twice');
  holds.push({ held, arrives: false });
}

/** Fills an idle id with content that somebody had before. */
export function holdToFill({ cache, native, holds }: HoldModel, { namespace, tokens }: Told): void {
  if (tokens.length === 0) return;
  const held = cache.holds?.holdToFill(requestOf(namespace, tokens));
  if (held === undefined) return;
  native.perform(cache.takeOps());
  native.write(held.seq, hashesOf(held));
  holds.push({ held, arrives: true });
}

export function endHold({ cache, holds }: HoldModel, { pick, keep }: Extract<Command, { kind: 'end-hold' }>): void {
  const [hold] = holds.splice(pick % Math.max(holds.length, 1), 1);
  if (hold === undefined) return;
  const { blocks } = cache.stats();
  cache.holds?.end(hold.held, keep);
  const left = cache.stats().blocks;
  if (keep === 'discard') assert(left.cached < blocks.cached, 'what is discarded makes room');
}

/** Held content is there, whole, and nobody's. */
export function checkHolds({ cache, native, holds }: HoldModel, runningSeqs: ReadonlySet<number>): void {
  for (const { held } of holds) {
    assert(native.contents(held.seq).join() === hashesOf(held).join(), 'held content stays as it is');
    assert(!runningSeqs.has(held.seq), 'nobody runs in an id that is held');
  }
  assert(cache.stats().seqKeeper >= holds.length, 'held ids are not free');
}

function hashesOf({ namespace, tokens, tokenCount }: HeldContent): readonly number[] {
  return prefixHashes({ namespace, tokens: [...tokens.subarray(0, tokenCount)] });
}
