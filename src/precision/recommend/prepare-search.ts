// From a wish to a search: what may be chosen, how much it may take, and everything that speaks against it, before anything is measured.

import type { Libraries } from '../../llama/libraries.ts';
import type { TensorTypeName } from '../../llama/tensor-types.ts';
import { type GgufFile, readGguf } from '../gguf/read.ts';
import { type Importance, importanceFaults, readImportance } from '../importance.ts';
import { planWeights, type QuantizePlan, requantizeFaults } from '../plan-weights.ts';
import { findRecipe } from '../recipes/find-recipe.ts';
import { matcherOf } from '../recipes/patterns.ts';
import type { Recipe, RecipeRule, ScalingStep } from '../recipes/recipe.ts';
import { planTensor, resolveStep, summed, type WeightPlan } from '../recipes/resolve.ts';
import { type Budget, groupBytesMax } from './budget.ts';
import { stepCandidates } from './step-candidates.ts';
import type { StepsWish } from './step-names.ts';
import { type Grouping, groupTensors, type TensorGroup, type TensorTypes } from './tensor-groups.ts';

export interface SearchWish {
  readonly libraries: Libraries;
  /** An existing GGUF file; of a split model, its first part. */
  readonly source: string;
  readonly budget: Budget;
  readonly formats: readonly TensorTypeName[];
  readonly grouping: Grouping;
  /** Formats that are settled; the first that matches a tensor decides. */
  readonly fixed: readonly RecipeRule[];
  readonly importancePath: string | undefined;
  /** What may come before formats. */
  readonly steps: StepsWish;
  readonly allowRequantize: boolean;
  /** What the result is called: its name is written into the file. */
  readonly name: string;
}

export interface SearchFrame {
  /** What the groups may take together. */
  readonly bytesMax: number;
  /** The written file beside the groups. */
  readonly overheadBytes: number;
}

export interface StepCandidate {
  readonly step: ScalingStep;
  /** A file says by which steps it was made. */
  readonly frame: SearchFrame;
}

export interface PreparedSearch extends SearchFrame {
  readonly file: GgufFile;
  readonly importance: Importance | undefined;
  readonly groups: readonly TensorGroup[];
  /** The model as it is. */
  readonly asItIs: WeightPlan;
  /** Steps that are tried before formats. */
  readonly candidates: readonly StepCandidate[];
  /** What was left out unasked; each a sentence. */
  readonly notes: readonly string[];
  /** As given, or looked up; bytes of the file, or bits of a weight. */
  readonly budget: Exclude<Budget, { kind: 'like' }>;
}

/** Formats that a search chooses from unless told otherwise: one for about each bit. */
export const formatsUsual: readonly TensorTypeName[] = [
  'f16',
  'q8_0',
  'q6_k',
  'q5_k',
  'q4_k',
  'iq4_xs',
  'q3_k',
  'q2_k',
];

/** Reads headers only. Throws with a message that names both the limit and what was given. */
export async function prepareSearch(wish: SearchWish): Promise<PreparedSearch> {
  const file = await readGguf(wish.source);
  const importance = wish.importancePath === undefined ? undefined : await readImportance(wish.importancePath);
  const fixed = settle(file, wish.fixed);
  const groups = groupTensors(file.tensors, { grouping: wish.grouping, formats: wish.formats, fixed });
  if (groups.length === 0) throw new Error(`${wish.source} has no tensor that can be quantized`);
  const faults = formatFaults(wish, { file, groups, importance });
  if (faults.length > 0) throw new Error(faults.join('\n'));
  const asItIs = summed(file.tensors.map((tensor) => planTensor(tensor, tensor.type)));
  const budget = await lookUp(wish);
  const frameOf = async (steps: readonly ScalingStep[]): Promise<SearchFrame> => {
    const overheadBytes = await overheadOf(wish, groups, steps);
    return { overheadBytes, bytesMax: groupBytesMax(budget, { groups, plan: asItIs, overheadBytes }) };
  };
  const plain = await frameOf([]);
  const { candidates, notes } = await stepCandidates(file, wish.steps, wish.importancePath);
  const framed: StepCandidate[] = [];
  for (const step of candidates) {
    const frame = await frameOf([step]).catch(ifOutOfReach);
    if (frame !== undefined) framed.push({ step, frame });
  }
  return { file, importance, groups, asItIs, ...plain, candidates: framed, notes, budget };
}

/** The budget leaves no room for what a file says about the step. */
function ifOutOfReach(error: unknown): undefined {
  if (error instanceof RangeError) return undefined;
  throw error;
}

function settle(file: GgufFile, rules: readonly RecipeRule[]): TensorTypes {
  // Whatever the others get: this only asks whether the rules mean something in this model.
  const resolved = resolveStep(file.tensors, { kind: 'quantize', base: { kind: 'mix', mix: 'q6_k' }, rules });
  if (resolved.kind === 'faults') throw new Error(`--fix does not fit this model:\n  ${resolved.faults.join('\n  ')}`);
  const names = new Set(file.tensors.map(({ name }) => name));
  const settled = new Map<string, TensorTypeName>();
  for (const { tensors, type } of rules)
    for (const pattern of tensors)
      for (const name of [...names].filter(matcherOf(pattern, names))) if (!settled.has(name)) settled.set(name, type);
  return settled;
}

/** What forbids some of the formats, or quantizing at all. */
function formatFaults(
  { formats, allowRequantize }: SearchWish,
  { file, groups, importance }: Pick<PreparedSearch, 'file' | 'groups' | 'importance'>,
): string[] {
  const planOf = (types: TensorTypes) =>
    summed(file.tensors.map((tensor) => planTensor(tensor, types.get(tensor.name) ?? tensor.type)));
  const labels = new Set(groups.flatMap(({ choices }) => choices.map(({ label }) => label)));
  const faults = [...formats, undefined]
    .filter((format) => format === undefined || labels.has(format))
    .flatMap((format) => {
      const chosen = groups.flatMap(({ choices }) => choices.filter(({ label }) => label === (format ?? label)));
      const plan = planOf(new Map(chosen.flatMap(({ types }) => [...types])));
      return [...(allowRequantize ? [] : requantizeFaults(plan)), ...importanceFaults(plan, importance)];
    });
  return [...new Set(faults)];
}

/** A written file's bytes beside the groups' tensors: metadata, and tensors that are never quantized. */
async function overheadOf(
  wish: SearchWish,
  groups: readonly TensorGroup[],
  steps: readonly ScalingStep[],
): Promise<number> {
  const rules = groups.flatMap(({ tensors, choices }) =>
    tensors.map(({ name, type }): RecipeRule => {
      return { tensors: [name], layers: [], type: choices.at(-1)?.types.get(name) ?? type };
    }),
  );
  const type = rules[0]?.type ?? 'q8_0';
  const quantize = { kind: 'quantize', base: { kind: 'type', type }, rules } as const;
  const recipe: Recipe = { name: wish.name, steps: [...steps, quantize] };
  const plan = await planWith(wish, recipe);
  return plan.fileBytes - groups.reduce((sum, { choices }) => sum + (choices.at(-1)?.bytes ?? 0), 0);
}

/** The plan of a recipe for the wish's model, with its importance matrix. */
export function planWith(wish: SearchWish, recipe: Recipe): Promise<QuantizePlan> {
  const { libraries, source, importancePath, allowRequantize } = wish;
  return planWeights({
    libraries,
    source,
    recipe,
    allowRequantize,
    ...(importancePath === undefined ? {} : { importancePath }),
  });
}

async function lookUp(wish: SearchWish): Promise<Exclude<Budget, { kind: 'like' }>> {
  const { budget } = wish;
  if (budget.kind !== 'like') return budget;
  const recipe = await findRecipe(budget.name).catch((error: unknown) => {
    throw new Error(`--budget: ${error instanceof Error ? error.message : String(error)}`);
  });
  const { fileBytes } = await planWith(wish, recipe);
  return { kind: 'file', bytes: fileBytes };
}
