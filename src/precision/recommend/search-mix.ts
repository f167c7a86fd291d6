// The search: what each format costs each group alone, the best mix by the sum of these, and then steps from that mix which
// are measured where they lead.
// Why the sum is not enough: errors of different tensors add up only while they are small. Around a mix the effect of one
// more or one fewer bit is measured in that mix, and the same exact choice is made among those steps.
// Why a price on steps: where they disturb one another, fewer of them at once do better.

import { must } from '../../assert.ts';
import { type Choice, chooseWithin, type Option } from './knapsack.ts';
import type { TensorGroup, TensorTypes } from './tensor-groups.ts';

export interface MixSearch {
  readonly groups: readonly TensorGroup[];
  /** What the groups may take together. */
  readonly bytesMax: number;
  readonly roundsMax: number;
  /** Loss of a mix against the model as it is. */
  readonly lossOf: (types: TensorTypes) => Promise<number>;
  /** What is lost with every group as it is: scales that were moved are rounded again. Part of every loss, and no format's. */
  readonly lossAsItIs?: number;
  readonly onProgress: (label: string, done: number, total: number) => void;
}

export interface SearchStep {
  readonly kind: 'sum' | 'round';
  /** What was expected of the mix, and what was measured. */
  readonly predictedLoss: number;
  readonly loss: number;
  readonly bytes: number;
  /** Groups whose format changed. */
  readonly changedCount: number;
}

export interface FoundMix {
  /** Loss of each group's choices, taken alone. */
  readonly sensitivities: readonly (readonly number[])[];
  /** Index of each group's choice. */
  readonly picks: readonly number[];
  readonly bytes: number;
  readonly loss: number;
  readonly steps: readonly SearchStep[];
}

/** The best mix by the sum of sensitivities, and then by rounds. Throws when not even the smallest choices fit. */
export async function searchMix(search: MixSearch): Promise<FoundMix> {
  return refineMix(search, await bestSum(search));
}

/** The best mix by the sum of sensitivities. Throws when not even the smallest choices fit. */
export async function bestSum(search: MixSearch): Promise<FoundMix> {
  const sensitivities = await measureAlone(search);
  const options = search.groups.map(({ choices }, group) =>
    choices.map(({ bytes }, index) => ({ bytes, loss: lossAt(sensitivities, group, index) })),
  );
  const first = chooseWithin(options, search.bytesMax);
  if (first === undefined) throw new RangeError(`no mix takes ${search.bytesMax} bytes or fewer`);
  search.onProgress('the mix', 0, 1);
  const loss = await search.lossOf(typesOf(search.groups, first.picks));
  const { picks, bytes } = first;
  const step = { kind: 'sum', predictedLoss: first.loss, loss, bytes, changedCount: 0 } as const;
  return { sensitivities, picks, bytes, loss, steps: [step] };
}

/** Rounds of measured changes around a mix, while they help. */
export async function refineMix(search: MixSearch, start: FoundMix): Promise<FoundMix> {
  const { sensitivities } = start;
  let current: Mix = { picks: start.picks, bytes: start.bytes, loss: start.loss };
  const steps = [...start.steps];
  for (let round = 1; round <= search.roundsMax; round++) {
    const step = await improve(search, { sensitivities, current, round });
    if (step === undefined) break;
    current = step.mix;
    steps.push(step.step);
  }
  return { sensitivities, ...current, steps };
}

/** The formats of a choice of each group. */
export function typesOf(groups: readonly TensorGroup[], picks: readonly number[]): TensorTypes {
  return new Map(groups.flatMap(({ choices }, group) => [...(choices[picks[group] ?? 0]?.types ?? [])]));
}

function lossAt(sensitivities: readonly (readonly number[])[], group: number, choice: number): number {
  return must(sensitivities[group]?.[choice], 'every choice of every group was measured');
}

async function measureAlone({ groups, lossOf, lossAsItIs = 0, onProgress }: MixSearch): Promise<number[][]> {
  const total = groups.reduce((sum, { choices }) => sum + choices.length, 0);
  let done = 0;
  const losses: number[][] = [];
  for (const { name, choices } of groups) {
    const own: number[] = [];
    for (const { types } of choices) {
      onProgress(`sensitivity, ${name}`, done, total);
      own.push(types.size === 0 ? 0 : Math.max(0, (await lossOf(types)) - lossAsItIs));
      done += 1;
    }
    losses.push(own);
  }
  return losses;
}

interface Mix {
  readonly picks: readonly number[];
  readonly bytes: number;
  readonly loss: number;
}

interface Around {
  readonly sensitivities: readonly (readonly number[])[];
  readonly current: Mix;
  readonly round: number;
}

/** A group's change to the choice beside its current one. */
interface Move {
  readonly group: number;
  readonly choice: number;
  readonly bytes: number;
  /** What the sensitivities expect of it, and later what was measured. */
  readonly loss: number;
}

/** Moves of each direction that a round measures at most: those that promise most. */
const movesMax = 24;
/** Prices of a change, in medians of what the moves of a round cost or gain. */
const prices: readonly number[] = [0, 0.25, 1];

/** A better mix a few steps away; undefined when there is none. */
async function improve(search: MixSearch, around: Around): Promise<{ mix: Mix; step: SearchStep } | undefined> {
  const { current } = around;
  const moves = await measureMoves(search, around);
  const typical = medianOf(moves.map(({ loss }) => Math.abs(loss)));
  const tried = new Set([current.picks.join()]);
  for (const price of prices) {
    const found = chooseMoves(search, { current, moves, price: price * typical });
    const picks = found?.picks ?? current.picks;
    if (tried.has(picks.join())) continue;
    tried.add(picks.join());
    const loss = await search.lossOf(typesOf(search.groups, picks));
    if (loss >= current.loss) continue;
    const bytes = found?.bytes ?? current.bytes;
    const changedCount = picks.filter((pick, group) => pick !== current.picks[group]).length;
    const predictedLoss = current.loss + (found?.loss ?? 0) - price * typical * changedCount;
    return { mix: { picks, bytes, loss }, step: { kind: 'round', predictedLoss, loss, bytes, changedCount } };
  }
  return undefined;
}

async function measureMoves(search: MixSearch, { current, sensitivities, round }: Around): Promise<Move[]> {
  const promising = promisingMoves(search, current.picks, sensitivities);
  const measured: Move[] = [];
  for (const move of promising) {
    search.onProgress(`round ${round}, ${search.groups[move.group]?.name ?? ''}`, measured.length, promising.length);
    const picks = current.picks.with(move.group, move.choice);
    const loss = await search.lossOf(typesOf(search.groups, picks));
    measured.push({ ...move, loss: loss - current.loss });
  }
  return measured;
}

/** Up: most loss saved a byte first. Down: least loss a byte saved first. */
function promisingMoves(
  { groups }: MixSearch,
  picks: readonly number[],
  sensitivities: readonly (readonly number[])[],
): Move[] {
  const moves = groups.flatMap(({ choices }, group) => {
    const pick = picks[group] ?? 0;
    return [pick - 1, pick + 1].flatMap((choice) => {
      const [from, to] = [choices[pick], choices[choice]];
      if (from === undefined || to === undefined) return [];
      const loss = lossAt(sensitivities, group, choice) - lossAt(sensitivities, group, pick);
      return [{ group, choice, bytes: to.bytes - from.bytes, loss }];
    });
  });
  const rate = ({ loss, bytes }: Move) => loss / Math.abs(bytes);
  const best = (some: Move[]) => some.sort((a, b) => rate(a) - rate(b)).slice(0, movesMax);
  return [...best(moves.filter(({ bytes }) => bytes > 0)), ...best(moves.filter(({ bytes }) => bytes < 0))];
}

interface Priced {
  readonly current: Mix;
  readonly moves: readonly Move[];
  /** Added to the loss of every change. */
  readonly price: number;
}

/** The best set of moves, at most one a group, within the budget. */
function chooseMoves({ groups, bytesMax }: MixSearch, { current, moves, price }: Priced): Choice | undefined {
  const targets = groups.map((_, group) => [
    current.picks[group] ?? 0,
    ...moves.filter((move) => move.group === group).map(({ choice }) => choice),
  ]);
  const options = groups.map(({ choices }, group): Option[] => {
    const own = moves.filter((move) => move.group === group);
    const bytesOf = (choice: number) => must(choices[choice], 'a pick is one of the choices').bytes;
    const stay = { bytes: bytesOf(current.picks[group] ?? 0), loss: 0 };
    return [stay, ...own.map(({ choice, loss }) => ({ bytes: bytesOf(choice), loss: loss + price }))];
  });
  const found = chooseWithin(options, bytesMax);
  return found && { ...found, picks: found.picks.map((pick, group) => targets[group]?.[pick] ?? 0) };
}

function medianOf(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}
