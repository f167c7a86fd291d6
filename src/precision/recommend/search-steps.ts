// The search with steps before it: the best mix without any, the same mix behind each step, and behind the one that loses least a
// search of its own.
// Why the whole mix decides: what a step brings to a format is seen only where the other tensors have theirs.
// Why the second search stays near the first: it is measured anew on the moved weights, and that costs most of the time.

import { type ReadyStep, stepText } from '../scaling/plan-scaling.ts';
import type { Bench } from './bench.ts';
import type { PreparedSearch, SearchFrame } from './prepare-search.ts';
import { bestSum, type FoundMix, type MixSearch, refineMix, searchMix, typesOf } from './search-mix.ts';
import type { TensorGroup } from './tensor-groups.ts';

/** A step that was tried, and what the best mix without it lost behind it on the text to choose by. */
export interface TriedStep {
  readonly label: string;
  readonly loss: number;
}

export interface FoundRecipe {
  readonly steps: readonly ReadyStep[];
  /** What the picks are of: the search's own groups, or those near the first mix. */
  readonly groups: readonly TensorGroup[];
  readonly mix: FoundMix;
  readonly overheadBytes: number;
  /** The first is the mix without a step. */
  readonly tried: readonly TriedStep[];
}

export interface StepsSearch {
  readonly search: Pick<PreparedSearch, 'groups' | 'bytesMax' | 'overheadBytes' | 'candidates'>;
  readonly roundsMax: number;
  readonly bench: Pick<Bench, 'lossOf' | 'statistics' | 'onProgress'>;
}

/** What a report calls steps. */
export function stepsLabel(steps: readonly ReadyStep[]): string {
  return steps.length === 0 ? 'none' : steps.map(stepText).join(', ');
}

/** Throws when not even the smallest choices fit. */
export async function searchWithSteps({ search, roundsMax, bench }: StepsSearch): Promise<FoundRecipe> {
  const { groups } = search;
  const plainSearch: MixSearch = { groups, bytesMax: search.bytesMax, roundsMax, ...measuring(bench, undefined) };
  const plain = await bestSum(plainSearch);
  const behind = await tryBehind(plain, { search, bench });
  const tried = [
    { label: stepsLabel([]), loss: plain.loss },
    ...behind.map(({ step, loss }) => ({ label: stepText(step), loss })),
  ];
  const best = behind.toSorted((a, b) => a.loss - b.loss)[0];
  const found =
    best === undefined || best.loss >= plain.loss
      ? undefined
      : await searchBehind(best, { search, roundsMax, bench, plain });
  if (found !== undefined && found.mix.loss < plain.loss) return { ...found, tried };
  const mix = await refineMix(plainSearch, plain);
  return { steps: [], groups, mix, overheadBytes: search.overheadBytes, tried };
}

interface Behind {
  readonly step: ReadyStep;
  readonly frame: SearchFrame;
  readonly loss: number;
}

/** The plain mix behind each candidate. */
async function tryBehind(plain: FoundMix, { search, bench }: Omit<StepsSearch, 'roundsMax'>): Promise<Behind[]> {
  if (search.candidates.length === 0) return [];
  const statistics = await bench.statistics();
  const types = typesOf(search.groups, plain.picks);
  const behind: Behind[] = [];
  for (const { step: wanted, frame } of search.candidates) {
    const step = { ...wanted, statistics };
    behind.push({ step, frame, loss: await bench.lossOf(types, { steps: [step], types }) });
  }
  return behind;
}

/** The best mix behind a step; undefined where there is none within the budget. */
async function searchBehind(
  { step, frame, loss }: Behind,
  { search, roundsMax, bench, plain }: StepsSearch & { readonly plain: FoundMix },
): Promise<Omit<FoundRecipe, 'tried'> | undefined> {
  const near = search.groups.map((group, index) => nearTo(group, plain.picks[index] ?? 0));
  const least = near.reduce((sum, { choices }) => sum + (choices.at(-1)?.bytes ?? 0), 0);
  if (least > frame.bytesMax) return undefined;
  const steps = [step];
  const moved = { steps, types: typesOf(search.groups, plain.picks) };
  const { bytesMax, overheadBytes } = frame;
  const lossAsItIs = await bench.lossOf(new Map(), moved);
  const found = await searchMix({ groups: near, bytesMax, roundsMax, lossAsItIs, ...measuring(bench, moved) });
  // The recipe will choose its scales for the formats that were found.
  const types = typesOf(near, found.picks);
  const mix = { ...found, loss: await bench.lossOf(types, { steps, types }) };
  if (mix.loss <= loss || plain.bytes > bytesMax) return { steps, groups: near, mix, overheadBytes };
  const picks = plain.picks.map((pick) => Math.min(pick, nearChoices));
  return { steps, groups: near, mix: { ...mix, picks, bytes: plain.bytes, loss }, overheadBytes };
}

function measuring(
  bench: StepsSearch['bench'],
  moved: Parameters<Bench['lossOf']>[1],
): Pick<MixSearch, 'lossOf' | 'onProgress'> {
  const where = moved === undefined ? '' : ` behind ${moved.steps.map(stepText).join()}`;
  return {
    lossOf: (types) => bench.lossOf(types, moved),
    onProgress(label, done, total) {
      const [stage, ...rest] = label.split(',');
      bench.onProgress([`${stage}${where}`, ...rest].join(), done, total);
    },
  };
}

/** Choices to either side that a second search looks at. */
const nearChoices = 2;

function nearTo(group: TensorGroup, pick: number): TensorGroup {
  return { ...group, choices: group.choices.slice(Math.max(0, pick - nearChoices), pick + nearChoices + 1) };
}
