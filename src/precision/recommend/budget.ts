// What a mix may take: `8MiB` (the file as written), `5bpw` (bits a weight of all tensors), or `q4_k_m`, `int4-protected-edges`
// (no more than that format or recipe takes).

import { formatBytes, formatCount } from '../../format.ts';
import { bitsPerWeight, type WeightPlan } from '../recipes/resolve.ts';
import type { TensorGroup } from './tensor-groups.ts';

export type Budget =
  | { readonly kind: 'file'; readonly bytes: number }
  | { readonly kind: 'bits'; readonly bitsPerWeight: number }
  /** To be looked up. */
  | { readonly kind: 'like'; readonly name: string };

/** Reads a budget; `parseSize` knows the units of bytes. */
export function parseBudget(text: string, parseSize: (text: string) => number | undefined): Budget {
  const given = text.trim();
  const bits = /^(\d+(?:\.\d+)?)\s*bpw$/i.exec(given);
  if (bits !== null) return { kind: 'bits', bitsPerWeight: Number(bits[1]) };
  const bytes = parseSize(given);
  if (bytes !== undefined) return { kind: 'file', bytes };
  if (/^[a-z]/i.test(given)) return { kind: 'like', name: given };
  throw new Error(
    `the budget must be a size such as 8MiB, bits a weight such as 5bpw, or a format or recipe to be no larger than. Given: ${text}`,
  );
}

export interface BudgetFrame {
  readonly groups: readonly TensorGroup[];
  /** The model as it is. */
  readonly plan: WeightPlan;
  /** Bytes of the written file beside the groups. */
  readonly overheadBytes: number;
}

/** Bytes that the groups may take together. Throws, with both limits, when no mix fits or the budget leaves nothing to choose. */
export function groupBytesMax(budget: Exclude<Budget, { kind: 'like' }>, frame: BudgetFrame): number {
  const { groups, plan, overheadBytes } = frame;
  const sum = (of: (group: TensorGroup) => number) => groups.reduce((total, group) => total + of(group), 0);
  const least = sum(({ choices }) => choices.at(-1)?.bytes ?? 0);
  const most = sum(({ choices }) => choices[0]?.bytes ?? 0);
  // Tensors that are in no group stay as they are.
  const beside = budget.kind === 'file' ? overheadBytes : plan.bytes - most;
  const wanted = budget.kind === 'file' ? budget.bytes : (budget.bitsPerWeight * plan.valueCount) / 8;
  const room = Math.floor(wanted - beside);
  if (room >= least && room < most) return room;
  const show = (bytes: number) =>
    budget.kind === 'file'
      ? `${formatCount(bytes)} bytes (${formatBytes(bytes)})`
      : `${bitsPerWeight(bytes, plan.valueCount).toFixed(3)} bpw`;
  throw new RangeError(
    `the budget must be at least ${show(least + beside)}, the smallest choice for every tensor, and below ` +
      `${show(most + beside)}, the model as it is. Given: ${show(wanted)}`,
  );
}
