// The mix with the least loss within a budget: one option for each group, their bytes and losses added up (a multiple-choice
// knapsack), solved exactly.
// Why states by dominance and not a table over bytes: a budget is billions of bytes. A partial choice is dropped when another
// one takes no more bytes and loses no more, or when even the relaxed rest (options mixed in fractions) cannot bring it below
// a whole choice that is known already. The relaxation is so close to the optimum that few states are left.
// Source: Kellerer, Pferschy and Pisinger, Knapsack Problems (2004), chapter 11.

import { must } from '../../assert.ts';

export interface Option {
  /** At least 0. */
  readonly bytes: number;
  /** Any finite number: around a mix, losses are differences. */
  readonly loss: number;
}

export interface Choice {
  /** Index of the chosen option of each group. */
  readonly picks: readonly number[];
  readonly bytes: number;
  readonly loss: number;
}

/** An option and its index in its group as given. */
interface Candidate extends Option {
  readonly index: number;
}

interface State extends Option {
  readonly pick: number;
  readonly before: State | undefined;
}

/** The choice with the least loss that takes at most `bytesMax`, of equal ones the smallest; undefined when none fits. */
export function chooseWithin(groups: readonly (readonly Option[])[], bytesMax: number): Choice | undefined {
  const candidates = groups.map(undominated);
  const relaxed = relaxSuffixes(candidates);
  const known = roundedDown(candidates, bytesMax);
  if (known === undefined) return undefined;
  // Sums in another order differ in their last bits.
  const lossMax = known.loss + 1e-12 * (1 + Math.abs(known.loss));
  let states: State[] = [{ bytes: 0, loss: 0, pick: 0, before: undefined }];
  candidates.forEach((options, group) => {
    const rest = must(relaxed[group + 1], 'there is a rest after each group');
    const next: State[] = [];
    for (const before of states)
      for (const { bytes, loss, index } of options) {
        const state = { bytes: before.bytes + bytes, loss: before.loss + loss, pick: index, before };
        if (state.loss + lossOfRest(rest, bytesMax - state.bytes) <= lossMax) next.push(state);
      }
    states = undominated(next);
  });
  return read(must(states.at(-1), 'the known choice is among them'));
}

/** Of the fewest bytes first; each further one takes more and loses less. */
function undominated<T extends Option>(options: readonly T[]): (T & { readonly index: number })[] {
  const sorted = options
    .map((option, index) => ({ ...option, index }))
    .sort((a, b) => a.bytes - b.bytes || a.loss - b.loss);
  const kept: (T & { readonly index: number })[] = [];
  let least = Number.POSITIVE_INFINITY;
  for (const option of sorted)
    if (option.loss < least) {
      least = option.loss;
      kept.push(option);
    }
  return kept;
}

function read(last: State): Choice {
  const picks: number[] = [];
  for (let state: State = last; state.before !== undefined; state = state.before) picks.unshift(state.pick);
  return { picks, bytes: last.bytes, loss: last.loss };
}

/** The least loss of groups together when options may be mixed in fractions: a convex line through points by bytes. */
interface Relaxed {
  readonly bytes: Float64Array;
  readonly loss: Float64Array;
}

interface Step extends Option {
  readonly group: number;
}

/** From one corner of a group's lower hull to the next: more bytes, less loss; the most loss a byte saves first. */
function hullSteps(options: readonly Candidate[], group: number): Step[] {
  const hull: Candidate[] = [];
  const slope = (from: Candidate, to: Candidate) => (to.loss - from.loss) / (to.bytes - from.bytes);
  for (const option of options) {
    for (;;) {
      const [before, last] = [hull.at(-2), hull.at(-1)];
      if (before === undefined || last === undefined || slope(before, last) < slope(last, option)) break;
      hull.pop();
    }
    hull.push(option);
  }
  return hull.slice(1).map((corner, index) => {
    const from = must(hull[index], 'every corner but the first has one before it');
    return { group, bytes: corner.bytes - from.bytes, loss: corner.loss - from.loss };
  });
}

function steepestFirst(steps: readonly Step[]): Step[] {
  return [...steps].sort((a, b) => a.loss / a.bytes - b.loss / b.bytes);
}

/** The relaxed loss of groups i and after, for each i from 0 to the number of groups. */
function relaxSuffixes(groups: readonly (readonly Candidate[])[]): Relaxed[] {
  const steps = steepestFirst(groups.flatMap(hullSteps));
  return Array.from({ length: groups.length + 1 }, (_, first) => {
    const own = steps.filter(({ group }) => group >= first);
    const bytes = new Float64Array(own.length + 1);
    const loss = new Float64Array(own.length + 1);
    for (const options of groups.slice(first)) {
      bytes[0] = (bytes[0] as number) + (options[0]?.bytes ?? 0);
      loss[0] = (loss[0] as number) + (options[0]?.loss ?? 0);
    }
    own.forEach((step, index) => {
      bytes[index + 1] = (bytes[index] as number) + step.bytes;
      loss[index + 1] = (loss[index] as number) + step.loss;
    });
    return { bytes, loss };
  });
}

/** O(log of corners). */
function lossOfRest({ bytes, loss }: Relaxed, room: number): number {
  const last = bytes.length - 1;
  if (room < (bytes[0] as number)) return Number.POSITIVE_INFINITY;
  if (room >= (bytes[last] as number)) return loss[last] as number;
  let [low, high] = [0, last];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if ((bytes[middle] as number) <= room) low = middle;
    else high = middle;
  }
  const share = (room - (bytes[low] as number)) / ((bytes[high] as number) - (bytes[low] as number));
  return (loss[low] as number) + share * ((loss[high] as number) - (loss[low] as number));
}

/** A whole choice near the relaxed one: steps in order of what a byte saves, those that do not fit left out. */
function roundedDown(groups: readonly (readonly Candidate[])[], bytesMax: number): Option | undefined {
  let bytes = groups.reduce((sum, options) => sum + (options[0]?.bytes ?? 0), 0);
  let loss = groups.reduce((sum, options) => sum + (options[0]?.loss ?? 0), 0);
  if (bytes > bytesMax || groups.some((options) => options.length === 0)) return undefined;
  const closed = new Set<number>();
  for (const step of steepestFirst(groups.flatMap(hullSteps))) {
    if (closed.has(step.group) || bytes + step.bytes > bytesMax) closed.add(step.group);
    else {
      bytes += step.bytes;
      loss += step.loss;
    }
  }
  return { bytes, loss };
}
