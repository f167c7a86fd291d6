// From how many tokens on a copy between native ids is worth it, against computing them again.
// Why asked at all: between slabs llama.cpp copies all of a slab's cells, whatever was wanted of them, and plans its largest graph anew
// after it: 8 to 10 ms of a step on an H100 (8B parameters, 512 cells), in which a hundred tokens of a prompt are computed.
// Why what nobody holds needs more: it is copied out of the way of new sequences in the hope that it is asked for again. Where prompts
// are not repeated, every second one paid for that.

import type { CopyWorth } from '../kv/types.ts';
import { typicalChunk } from './chunk-costs.ts';
import type { SchedulerState } from './state.ts';

/** What is known now: until prompts were read, or where a copy's time is not known, any token is worth it. */
export function copyWorthNow({ options, costs, foundShare }: SchedulerState): CopyWorth {
  const copyMs = options.idCopyMs ?? 0;
  const tokenMs = costs.promptTokenMs(typicalChunk);
  const foundTokens = tokenMs === undefined ? 0 : copyMs / tokenMs;
  return { foundTokens, unheldTokens: foundTokens === 0 ? 0 : foundTokens / foundShare.share() };
}

/**
 * What a dropped token is expected to cost: computing it again, as often as the cache has had what was asked for. That is too much where
 * it goes to host memory.
 */
export function missedTokenMs({ costs, foundShare }: SchedulerState): number {
  const share = foundShare.share();
  return share === 0 ? 0 : share * (costs.promptTokenMs(typicalChunk) ?? Number.POSITIVE_INFINITY);
}
