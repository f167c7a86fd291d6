// Which slab a new sequence gets, and where its prefix comes from. Pure choice: nothing is changed here.
// Why neighbours come first: in this layout llama.cpp computes only consecutive sequence ids together (a ubatch takes
// ids in ascending order without gaps); 8 sequences on every second id took 2.3 times as long per step as on 8 neighbours
// (135M parameters, 2 cores). So the running ids are kept in as few runs as possible, and content is moved out of the way.

import { commonCount, isIdle, type Slab, type SlabState } from './slabs.ts';
import type { CacheRequest } from './types.ts';

export interface SlabChoice {
  readonly target: Slab;
  /** Leading positions of the target's own content that stay. */
  readonly keptCount: number;
  /** Copies this many positions from another slab instead. */
  readonly copy: { readonly from: Slab; readonly count: number } | undefined;
  /** An idle slab, empty or less recently used, that takes over the target's content. */
  readonly refuge: Slab | undefined;
}

interface Match {
  readonly slab: Slab;
  readonly count: number;
}

/** The slab for `request` (undefined: nothing to find); undefined when every slab runs or is held. O(slabs * tokens in common). */
export function chooseSlab(state: SlabState, request: CacheRequest | undefined): SlabChoice | undefined {
  const idle = state.slabs.filter(isIdle);
  const nearby = nearbySlabs(state, idle);
  const best = request === undefined ? undefined : longestMatch(state, request);
  const inPlace = request === undefined ? undefined : longestInPlace(state, nearby, request);
  if (inPlace !== undefined && best !== undefined && best.count - inPlace.count < state.copyWorth.foundTokens) {
    return { target: inPlace.slab, keptCount: inPlace.count, copy: undefined, refuge: undefined };
  }
  const target = leastValuable(nearby, best?.slab);
  if (target === undefined) return undefined;
  const own = request === undefined ? 0 : matchedCount(target, request);
  const isCopied = best !== undefined && best.slab !== target && best.count - own >= state.copyWorth.foundTokens;
  const copy = isCopied ? { from: best.slab, count: best.count } : undefined;
  const keptCount = isCopied ? 0 : own;
  const refuge = refugeFor(state, { target, keptCount, source: copy?.from });
  if (best !== undefined && isIdleMatch(best) && losesContent(state, { target, keptCount, refuge })) {
    return { target: best.slab, keptCount: best.count, copy: undefined, refuge: undefined };
  }
  return { target, keptCount, copy, refuge };
}

/** Whether the match could be taken over where it is. */
function isIdleMatch({ slab, count }: Match): boolean {
  return isIdle(slab) && isMostly(slab, count);
}

/**
 * Whether a prefix that may be asked for again would be gone for the sake of neighbouring ids: each of eight conversations
 * whose turns come at once would drive another's history out, and computing it again costs more than a gap. What was not
 * used while all slabs could have been used twice is not waited for: a gap costs every step a pass over the weights.
 */
function losesContent(
  state: SlabState,
  { target, keptCount, refuge }: { target: Slab; keptCount: number; refuge: Slab | undefined },
): boolean {
  const lost = refuge ?? target;
  const lostCount = lost.computedCount - (refuge === undefined ? keptCount : 0);
  return lostCount >= state.copyMinTokens && state.clock - lost.lastUse <= 2 * usesOfAdmission * state.slabs.length;
}

/** An admission and its release count as one use each. */
const usesOfAdmission = 2;

/**
 * The slab for a state that is restored from host memory; undefined when every slab runs or is held. llama.cpp carries out copies
 * between slabs at the next decode only but restores at once, so a slab with a copy under way is the last choice and its
 * content is never moved out of the way: that would be one more copy.
 */
export function chooseSlabToRestore(state: SlabState): Slab | undefined {
  const idle = state.slabs.filter(isIdle);
  const settled = idle.filter(({ seq }) =>
    state.ops.every((op) => op.kind !== 'copy' || (op.from !== seq && op.to !== seq)),
  );
  return leastValuable(nearbySlabs(state, settled.length > 0 ? settled : idle), undefined);
}

/** The longest prefix of `request`, short of its last token, that any slab has computed. */
export function longestMatch(state: SlabState, request: CacheRequest): Match | undefined {
  let best: Match | undefined;
  for (const slab of state.slabs) {
    const count = matchedCount(slab, request);
    // Among equals an idle slab: it may be taken over without a copy.
    const isBetter = count > (best?.count ?? 0) || (count === best?.count && !isIdle(best.slab));
    if (count > 0 && isBetter) best = { slab, count };
  }
  return best;
}

/** How much of the slab's computed content begins `request`; its last token is always left to compute. */
function matchedCount(slab: Slab, request: CacheRequest): number {
  return commonCount(slab, request, Math.min(slab.computedCount, request.tokenCount - 1));
}

/** Those idle slabs that, running, leave the running ids in the fewest runs of consecutive ids. */
export function nearbySlabs({ slabs }: SlabState, idle: readonly Slab[]): Slab[] {
  let nearby: Slab[] = [];
  let neighboursMax = 0;
  for (const slab of idle) {
    const neighbours =
      Number(slabs[slab.seq - 1]?.lease !== undefined) + Number(slabs[slab.seq + 1]?.lease !== undefined);
    if (neighbours > neighboursMax) {
      neighboursMax = neighbours;
      nearby = [];
    }
    if (neighbours === neighboursMax) nearby.push(slab);
  }
  return nearby;
}

/** The idle slab whose content is worth cutting rather than copying, to what begins `request`. */
function longestInPlace(state: SlabState, slabs: readonly Slab[], request: CacheRequest): Match | undefined {
  let best: Match | undefined;
  for (const slab of slabs) {
    const count = matchedCount(slab, request);
    if (count > (best?.count ?? 0) && isWorthCutting(state, slab, count)) best = { slab, count };
  }
  return best;
}

/** Whether what is kept is most of it; or, where it is not worth a copy, more than what is likely to be asked for of the rest. */
function isWorthCutting({ copyWorth, copyMinTokens }: SlabState, slab: Slab, count: number): boolean {
  if (isMostly(slab, count)) return true;
  const { foundTokens, unheldTokens } = copyWorth;
  const isCopied = count >= foundTokens;
  // What nobody holds must be so many times as long to be worth a copy as it is likely not to be asked for again.
  return !isCopied && count >= copyMinTokens && (slab.computedCount - count) * foundTokens <= count * unheldTokens;
}

/** Whether `count` tokens are most of the slab's content. */
export function isMostly(slab: Slab, count: number): boolean {
  return 2 * count >= slab.computedCount;
}

/** Empty slabs first, then the least recently used; `spared` only when there is no other. */
export function leastValuable(slabs: readonly Slab[], spared: Slab | undefined): Slab | undefined {
  let least: Slab | undefined;
  for (const slab of slabs) {
    if (slab === spared) continue;
    if (least === undefined || isLessValuable(slab, least)) least = slab;
  }
  return least ?? slabs.find((slab) => slab === spared);
}

function isLessValuable(a: Slab, b: Slab): boolean {
  if ((a.computedCount === 0) !== (b.computedCount === 0)) return a.computedCount === 0;
  return a.computedCount > 0 && a.lastUse < b.lastUse;
}

/** Where the content that `target` loses can go: only to a slab whose content is worth less. */
export function refugeFor(
  state: SlabState,
  move: { target: Slab; keptCount: number; source: Slab | undefined },
): Slab | undefined {
  const { target, keptCount, source } = move;
  if (target.computedCount - keptCount < state.copyWorth.unheldTokens || isMostlyKept(target, keptCount))
    return undefined;
  let refuge: Slab | undefined;
  for (const slab of state.slabs) {
    if (!isIdle(slab) || slab === target || slab === source) continue;
    if (isLessValuable(slab, refuge ?? target)) refuge = slab;
  }
  return refuge;
}

function isMostlyKept(target: Slab, keptCount: number): boolean {
  return keptCount > 0 && isMostly(target, keptCount);
}
