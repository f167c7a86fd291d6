// What a recipe's scaling steps will do to a model, and what speaks against it; decided from headers alone.

import { tensorTypes } from '../../llama/tensor-types.ts';
import type { GgufFile } from '../gguf/read.ts';
import { readImportance } from '../importance.ts';
import type { GroupKind, ScalingStep } from '../recipes/recipe.ts';
import { foldedFileBytes } from './fold.ts';
import { findGroups, type ScalingGroup } from './groups.ts';

/** A step whose statistics are known. */
export type ReadyStep = ScalingStep & { readonly statistics: string };

export interface PlannedScaling {
  readonly steps: readonly ReadyStep[];
  /** How many groups of each kind the model has. */
  readonly groupCounts: ReadonlyMap<GroupKind, number>;
  /** What the folded model takes on the disk until it is quantized. */
  readonly foldedBytes: number;
}

export interface ScalingPlan {
  readonly scaling: PlannedScaling;
  /** Each a sentence. */
  readonly faults: readonly string[];
}

export interface ScalingWish {
  readonly steps: readonly ScalingStep[];
  /** For steps that name no statistics. */
  readonly importancePath: string | undefined;
  readonly allowRequantize: boolean;
}

/** Throws when statistics cannot be read. */
export async function planScaling(file: GgufFile, wish: ScalingWish): Promise<ScalingPlan> {
  const found = findGroups(file);
  const groups = found.kind === 'groups' ? found.groups : [];
  const meant = groups.filter(({ kind }) => wish.steps.some((step) => step.groups.includes(kind)));
  const ready = wish.steps.flatMap((step) => readyStep(step, wish.importancePath));
  const scaling: PlannedScaling = {
    steps: ready,
    groupCounts: countByKind(meant),
    foldedBytes: foldedFileBytes(file, meant),
  };
  const faults = [
    ...(found.kind === 'faults' ? found.faults : []),
    ...statisticsMissing(wish.steps.length - ready.length, wish.steps),
    ...(await statisticsFaults(file, ready, groups)),
    ...(wish.allowRequantize ? [] : quantizedFaults(file, meant)),
  ];
  return { scaling, faults };
}

/** Why scales of this model cannot be moved by these steps without loss, whatever the statistics; each a sentence. */
export function immovableFaults(file: GgufFile, steps: readonly ScalingStep[]): string[] {
  const found = findGroups(file);
  if (found.kind === 'faults') return [...found.faults];
  return quantizedFaults(
    file,
    found.groups.filter(({ kind }) => steps.some(({ groups }) => groups.includes(kind))),
  );
}

/** `awq`, `smooth 0.5`: what a file that was made so says of itself. */
export function stepText(step: ScalingStep): string {
  const name = step.kind === 'smooth' ? `smooth ${step.strength}` : step.kind;
  return step.activations === 'rms' ? name : `${name} by the ${step.activations}`;
}

function readyStep(step: ScalingStep, importancePath: string | undefined): ReadyStep[] {
  const statistics = step.statistics ?? importancePath;
  return statistics === undefined ? [] : [{ ...step, statistics }];
}

function countByKind(groups: readonly ScalingGroup[]): Map<GroupKind, number> {
  const counts = new Map<GroupKind, number>();
  for (const { kind } of groups) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  return counts;
}

function statisticsMissing(count: number, steps: readonly ScalingStep[]): string[] {
  if (count === 0) return [];
  const kinds = [...new Set(steps.map(({ kind }) => kind))].join(' and ');
  return [
    `the step ${kinds} needs to know how large activations are: give an importance matrix (--imatrix FILE), or name one in the ` +
      'recipe ("statistics": "FILE")',
  ];
}

async function statisticsFaults(
  file: GgufFile,
  steps: readonly ReadyStep[],
  groups: readonly ScalingGroup[],
): Promise<string[]> {
  const widths = new Map(file.tensors.map(({ name, shape }) => [name, shape[0] ?? 1]));
  const faults: string[] = [];
  for (const step of steps) {
    const { byTensor, maximaByTensor } = await readImportance(step.statistics);
    const readers = groups.filter(({ kind }) => step.groups.includes(kind)).flatMap(({ columnsOf }) => columnsOf);
    const odd = readers.filter((name) => byTensor.get(name)?.length !== widths.get(name));
    const [first] = odd;
    const lacking = step.activations === 'largest' && readers.some((name) => !maximaByTensor.has(name));
    if (first === undefined && lacking)
      faults.push(
        `${stepText(step)}: ${step.statistics} must tell the largest activations, as octet calibrate writes them. Given: a file ` +
          'without',
      );
    if (first === undefined) continue;
    const given = byTensor.get(first)?.length ?? 'none';
    faults.push(
      `${stepText(step)}: ${step.statistics} must have ${widths.get(first)} values for ${first}. ` +
        `Given: ${given}${odd.length === 1 ? '' : `, and ${odd.length - 1} more such tensors`}`,
    );
  }
  return faults;
}

function quantizedFaults(file: GgufFile, groups: readonly ScalingGroup[]): string[] {
  const touched = new Set(
    groups.flatMap(({ rowsOf, columnsOf }) => [...columnsOf, ...(rowsOf === undefined ? [] : [rowsOf])]),
  );
  const quantized = file.tensors.filter(
    ({ name, type }) => touched.has(name) && tensorTypes[type].kind === 'quantized',
  );
  const [first] = quantized;
  if (first === undefined) return [];
  return [
    `scales can be moved without loss only between tensors that are not quantized. Given: ${first.name} in ${first.type}, ` +
      `and ${quantized.length - 1} more`,
  ];
}
