// The k largest logits of a vocabulary in one pass.
// Why a heap with the weakest at its root: almost every token is rejected by one comparison, and expected insertions are
// about k * ln(vocabulary / k). Sorting the vocabulary, as llama.cpp's chain may, costs a hundred times more.

import type { Candidates } from './candidates.ts';

/** Fills `candidates` with the `k` largest logits (lower ids win ties), in order of id. O(vocabulary + k log k log V). */
export function keepTopK(candidates: Candidates, logits: Float32Array, k: number): void {
  const { tokens, logits: kept } = candidates;
  const firstUnseen = fillHeap(candidates, logits, k);
  const { count } = candidates;
  let weakest = count === 0 ? Number.POSITIVE_INFINITY : (kept[0] as number);
  for (let token = firstUnseen; token < logits.length; token++) {
    const logit = logits[token] as number;
    if (logit > weakest) {
      tokens[0] = token;
      kept[0] = logit;
      siftDown(candidates, count);
      weakest = kept[0] as number;
    }
  }
  tokens.subarray(0, count).sort();
  for (let index = 0; index < count; index++) kept[index] = logits[tokens[index] as number] as number;
}

/** Puts the first `k` possible tokens into the heap; answers the token to go on with. */
function fillHeap(candidates: Candidates, logits: Float32Array, k: number): number {
  candidates.count = 0;
  let token = 0;
  for (; token < logits.length && candidates.count < k; token++) {
    const logit = logits[token] as number;
    if (!(logit > Number.NEGATIVE_INFINITY)) continue;
    candidates.tokens[candidates.count] = token;
    candidates.logits[candidates.count] = logit;
    candidates.count += 1;
    siftUp(candidates, candidates.count - 1);
  }
  return token;
}

/** Whether entry `a` leaves before entry `b`: the smaller logit, of equals the higher id. */
function isWeaker({ tokens, logits }: Candidates, a: number, b: number): boolean {
  const first = logits[a] as number;
  const second = logits[b] as number;
  return first < second || (first === second && (tokens[a] as number) > (tokens[b] as number));
}

function siftUp(heap: Candidates, start: number): void {
  let child = start;
  while (child > 0) {
    const parent = (child - 1) >> 1;
    if (!isWeaker(heap, child, parent)) return;
    swap(heap, child, parent);
    child = parent;
  }
}

function siftDown(heap: Candidates, count: number): void {
  let parent = 0;
  for (;;) {
    let weakest = parent;
    const left = 2 * parent + 1;
    if (left < count && isWeaker(heap, left, weakest)) weakest = left;
    if (left + 1 < count && isWeaker(heap, left + 1, weakest)) weakest = left + 1;
    if (weakest === parent) return;
    swap(heap, parent, weakest);
    parent = weakest;
  }
}

function swap({ tokens, logits }: Candidates, a: number, b: number): void {
  const token = tokens[a] as number;
  const logit = logits[a] as number;
  tokens[a] = tokens[b] as number;
  logits[a] = logits[b] as number;
  tokens[b] = token;
  logits[b] = logit;
}
