// From a model file and a recipe to the plan of a file of quantized weights, with everything that speaks against it.
// Why before anything is written: a mistake in a recipe, a quantized source or a missing importance matrix shows in
// milliseconds, not after an hour.

import type { Libraries } from '../llama/libraries.ts';
import { nativeTypes } from '../llama/native-quantize.ts';
import type { TensorTypeName } from '../llama/tensor-types.ts';
import { alignmentDefault, type GgufTensor } from './gguf/parse.ts';
import { type GgufFile, readGguf } from './gguf/read.ts';
import { type GgufEntry, type Scalar, scalarEntry } from './gguf/values.ts';
import { plannedFileBytes } from './gguf/write.ts';
import { type Importance, importanceFaults, readImportance } from './importance.ts';
import { fileTypes } from './recipes/formats.ts';
import { mixes } from './recipes/mixes.ts';
import type { QuantizeStep, Recipe, ScalingStep } from './recipes/recipe.ts';
import { requantized, resolveStep, type WeightPlan } from './recipes/resolve.ts';
import { type PlannedScaling, planScaling, stepText } from './scaling/plan-scaling.ts';

export interface PlanRequest {
  readonly libraries: Libraries;
  /** An existing GGUF file; of a split model, its first part. */
  readonly source: string;
  readonly recipe: Recipe;
  /** Path of an importance matrix. */
  readonly importancePath?: string;
  readonly allowRequantize?: boolean;
}

export interface QuantizePlan {
  readonly source: string;
  readonly file: GgufFile;
  /** What the result is called. */
  readonly label: string;
  readonly weights: WeightPlan;
  /** What moves scales before that, if anything does. */
  readonly scaling: PlannedScaling | undefined;
  /** Metadata that the result has beyond the source's. */
  readonly metadata: Readonly<Record<string, string | number>>;
  readonly importancePath: string | undefined;
  readonly allowRequantize: boolean;
  /** The result's size. */
  readonly fileBytes: number;
  /** Why it must not be made; each a sentence. */
  readonly faults: readonly string[];
  /** What speaks against it without forbidding it; each a sentence. */
  readonly warnings: readonly string[];
}

/** The metadata key under which a file says by which recipe it was made. */
export const labelKey = 'octet.weights';
const splitKeys: readonly string[] = ['split.no', 'split.count', 'split.tensors.count'];
const quantizationVersion = 2;

/**
 * Plans; reads headers only. Throws when the source or the recipe cannot be read or the recipe does not fit the model;
 * what only forbids writing is in `faults`, so that a dry run can show the plan none the less.
 */
export async function planWeights(request: PlanRequest): Promise<QuantizePlan> {
  const { source, recipe, importancePath } = request;
  const file = await readGguf(source);
  const step = quantizeStepOf(recipe);
  const importance = importancePath === undefined ? undefined : await readImportance(importancePath);
  const resolved = resolveStep(file.tensors, step, await mixTypesOf(request, step, importance));
  if (resolved.kind === 'faults')
    throw new Error(`the recipe ${recipe.name} does not fit this model:\n  ${resolved.faults.join('\n  ')}`);
  const weights = resolved.plan;
  const metadata = { ...metadataOf(recipe, step), ...importance?.metadata };
  const allowRequantize = request.allowRequantize ?? false;
  const scalingSteps = scalingStepsOf(recipe);
  const scaling =
    scalingSteps.length === 0
      ? undefined
      : await planScaling(file, { steps: scalingSteps, importancePath, allowRequantize });
  const isSmallMix = step.base.kind === 'mix' && step.base.mix === 'q2_k_s';
  return {
    source,
    file,
    label: recipe.name,
    weights,
    scaling: scaling?.scaling,
    metadata,
    importancePath,
    allowRequantize,
    fileBytes: plannedSize(file, metadata, weights),
    faults: [
      ...alignmentFaults(file),
      ...(allowRequantize ? [] : requantizeFaults(weights)),
      ...importanceFaults(weights, importance, isSmallMix),
      ...(scaling?.faults ?? []),
    ],
    warnings: scaleWarnings(weights),
  };
}

/** What of a recipe says formats. */
export function quantizeStepOf({ steps, name }: Recipe): QuantizeStep {
  const step = steps.at(-1);
  if (step?.kind !== 'quantize') throw new Error(`the recipe ${name} must end with the step that quantizes`);
  return step;
}

/** What of a recipe moves scales. */
function scalingStepsOf({ steps }: Recipe): ScalingStep[] {
  return steps.filter((step) => step.kind !== 'quantize');
}

/** llama.cpp's own choice, where the recipe leaves it the choice; before it finds that rows do not fit. */
async function mixTypesOf(
  { libraries, source }: PlanRequest,
  { base }: QuantizeStep,
  importance: Importance | undefined,
): Promise<ReadonlyMap<string, TensorTypeName> | undefined> {
  if (base.kind === 'type') return undefined;
  const choice = { kind: 'mix', fileType: mixes[base.mix] } as const;
  // It chooses otherwise when there is an importance matrix, whatever is in it.
  const present = importance === undefined ? {} : { importance: importance.byTensor };
  const wanted = new Map<string, TensorTypeName>();
  const onFallback = (name: string, type: TensorTypeName) => wanted.set(name, type);
  const types = await nativeTypes({ libraries, source, choice, allowRequantize: true, onFallback, ...present });
  return new Map([...types, ...wanted]);
}

function metadataOf(recipe: Recipe, { base }: QuantizeStep): Record<string, string | number> {
  const scaling = scalingStepsOf(recipe).map(stepText).join(', ');
  const fileType = base.kind === 'mix' ? mixes[base.mix] : fileTypes[base.type];
  return {
    [labelKey]: recipe.name,
    ...(scaling === '' ? {} : { 'octet.scaling': scaling }),
    'general.quantization_version': quantizationVersion,
    ...(fileType === undefined ? {} : { 'general.file_type': fileType }),
  };
}

/** The result's size in bytes. */
export function plannedSize(
  { entries }: Pick<GgufFile, 'entries'>,
  metadata: Readonly<Record<string, string | number>>,
  weights: WeightPlan,
): number {
  return plannedFileBytes({ entries: plannedEntries(entries, metadata), tensors: targets(weights) });
}

/** The source's metadata without what is about its parts, and with more. */
export function plannedEntries(
  entries: readonly GgufEntry[],
  metadata: Readonly<Record<string, string | number>>,
): readonly GgufEntry[] {
  const kept = entries.filter(({ key }) => !splitKeys.includes(key) && !Object.hasOwn(metadata, key));
  const type = (value: Scalar) => (typeof value === 'number' ? 'uint32' : 'string');
  return [...kept, ...Object.entries(metadata).map(([key, value]) => scalarEntry(key, type(value), value))];
}

/** The tensors as they will be written. */
export function targets({ tensors }: WeightPlan): Pick<GgufTensor, 'name' | 'shape' | 'type'>[] {
  return tensors.map(({ name, shape, to }) => ({ name, shape, type: to }));
}

function alignmentFaults({ parts }: GgufFile): string[] {
  const odd = parts.find(({ alignment }) => alignment !== alignmentDefault);
  if (odd === undefined) return [];
  return [
    `llama.cpp writes files whose general.alignment is ${alignmentDefault}. Given: ${odd.path} with ${odd.alignment}`,
  ];
}

/** Blocks of nvfp4 whose largest value is smaller than this have a scale among the subnormal numbers of fp8 E4M3. */
const nvfp4BlockSmall = 6 * 2 ** -6;

function scaleWarnings({ tensors }: WeightPlan): string[] {
  const made = tensors.filter(({ from, to }) => to === 'nvfp4' && from !== to);
  const [first] = made;
  if (first === undefined) return [];
  return [
    `nvfp4 is made without a scale for the whole tensor, which files made for it have: blocks whose largest weight is below ` +
      `${nvfp4BlockSmall.toFixed(3)} lose precision. octet numbers --tensor FILE:${first.name} tells how much`,
  ];
}

/** What speaks against quantizing what is quantized already. */
export function requantizeFaults(weights: WeightPlan): string[] {
  const twice = requantized(weights);
  const [first] = twice;
  if (first === undefined) return [];
  const types = [...new Set(twice.map(({ from }) => from))].join(', ');
  return [
    `the source is quantized already (${types} in ${twice.length} tensors, such as ${first.name}): quantizing it again adds ` +
      'its error to the first one; --allow-requantize does it anyway',
  ];
}
