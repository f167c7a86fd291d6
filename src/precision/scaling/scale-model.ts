// Carries out a recipe's scaling steps: chooses scales for each group of channels and writes the folded model beside its target.

import { must } from '../../assert.ts';
import type { TensorConversions } from '../../llama/tensor-conversions.ts';
import type { TensorTypeName } from '../../llama/tensor-types.ts';
import { readGguf } from '../gguf/read.ts';
import { type Importance, readImportance } from '../importance.ts';
import { stepScales } from './choose-scales.ts';
import { columnScales, type GroupScales, writeFolded } from './fold.ts';
import { findGroups, type ScalingGroup } from './groups.ts';
import type { ReadyStep } from './plan-scaling.ts';
import { readReaders } from './readers.ts';

type ByTensor = ReadonlyMap<string, Float32Array>;

export interface ScaleRequest {
  readonly conversions: TensorConversions;
  readonly source: string;
  readonly steps: readonly ReadyStep[];
  /** What each tensor will be quantized to. */
  readonly types: ReadonlyMap<string, TensorTypeName>;
  /** What rounding will be steered by. */
  readonly importance: ByTensor | undefined;
  /** Where to write the folded model. */
  readonly target: string;
  /** 0 to 1. */
  readonly onProgress: (fraction: number) => void;
}

/** Choosing takes most of the time. */
const choosingShare = 0.9;

/**
 * Writes the folded model and answers its importance. Runs on this thread: each group's readers are quantized twenty times
 * for each search, 512 rows of them at most.
 */
export async function scaleModel(request: ScaleRequest): Promise<ByTensor | undefined> {
  const { source, importance, conversions, target, onProgress } = request;
  const file = await readGguf(source);
  const found = findGroups(file);
  if (found.kind === 'faults') throw new Error(found.faults.join('; '));
  const groups = found.groups.filter(({ kind }) => request.steps.some((step) => step.groups.includes(kind)));
  const statistics = await readStatistics(request.steps);
  const scales: GroupScales[] = [];
  for (const group of groups) {
    const readers = await readReaders(file, group, request);
    let current: Float32Array = new Float32Array(group.channelCount).fill(1);
    for (const step of request.steps.filter((candidate) => candidate.groups.includes(group.kind))) {
      const { byTensor: meanSquares, maximaByTensor: maxima } = must(statistics.get(step.statistics), 'they were read');
      current = stepScales(step, current, { group, readers, conversions, meanSquares, maxima, importance });
    }
    scales.push({ group, scales: current });
    onProgress((choosingShare * scales.length) / groups.length);
  }
  const writing = (fraction: number) => onProgress(choosingShare + (1 - choosingShare) * fraction);
  await writeFolded(file, target, { scales, conversions, onProgress: writing });
  return importance === undefined ? undefined : scaledImportance(importance, scales);
}

async function readStatistics(steps: readonly ReadyStep[]): Promise<Map<string, Importance>> {
  const read = new Map<string, Importance>();
  for (const { statistics } of steps) if (!read.has(statistics)) read.set(statistics, await readImportance(statistics));
  return read;
}

/** Where weights are multiplied, what meets them is divided. */
function scaledImportance(importance: ByTensor, scales: readonly GroupScales[]): Map<string, Float32Array> {
  const changed = new Map(importance);
  const divided = (name: string, group: ScalingGroup, ofGroup: Float32Array) => {
    const columns = columnScales(group, ofGroup);
    return importance.get(name)?.map((mean, column) => mean / (columns[column] ?? 1) ** 2);
  };
  for (const { group, scales: ofGroup } of scales)
    for (const name of group.columnsOf) {
      const values = divided(name, group, ofGroup);
      if (values !== undefined) changed.set(name, values);
    }
  return changed;
}
