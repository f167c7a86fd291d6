// What a step takes in a layout, as a sum of costs that were found from measured steps:
//   with slabs   pass + rows + cells that the rows look at + a pass more for a prompt's chunk + its tokens + their depth
//   in a pool    the same, shared cells apart from own ones, + cells in use: once, and for every row
// Why cells in use count in a pool alone: there every row reads at least the mask of all of them (on CUDA the keys, too), while
// with slabs the kernels never see another sequence's.

import type { KvLayout } from '../../kernel-port.ts';
import { fitNonNegative } from './least-squares.ts';
import type { StepShape } from './types.ts';

/** Milliseconds for one of each. */
export interface StepCosts {
  readonly layout: KvLayout;
  readonly pass: number;
  readonly row: number;
  /** For each row. */
  readonly ownCell: number;
  readonly sharedCell: number;
  /** What a chunk costs, however small. */
  readonly chunk: number;
  readonly promptToken: number;
  /** For each token of a prompt, and each position before it. */
  readonly promptCell: number;
  /** For the step as a whole; 0 with slabs. */
  readonly usedCell: number;
  /** For each row, a prompt's among them; 0 with slabs. */
  readonly usedCellRow: number;
}

export interface TimedStep {
  readonly shape: StepShape;
  readonly ms: number;
}

/** Costs from steps of one layout. */
export function fitCosts(layout: KvLayout, steps: readonly TimedStep[]): StepCosts {
  // Where no step has any, shared cells are taken for own ones.
  const tellsShared = layout === 'pooled' && steps.some(({ shape }) => shape.sharedCells > 0);
  const observations = steps.map(({ shape, ms }) => ({ amounts: amountsOf(layout, shape, tellsShared), value: ms }));
  const [pass = 0, row = 0, ownCell = 0, chunk = 0, promptToken = 0, promptCell = 0, ...rest] =
    fitNonNegative(observations);
  const [usedCell = 0, usedCellRow = 0, sharedCell = 0] = rest;
  const costs = { layout, pass, row, ownCell, chunk, promptToken, promptCell, usedCell, usedCellRow };
  return { ...costs, sharedCell: tellsShared ? sharedCell : ownCell };
}

function amountsOf(layout: KvLayout, shape: StepShape, tellsShared: boolean): number[] {
  const { rows, ownCells, sharedCells, promptTokens, promptDepth, usedCells } = shape;
  const looked = rows * (tellsShared ? ownCells : ownCells + sharedCells);
  const common = [1, rows, looked, Math.sign(promptTokens), promptTokens, promptTokens * promptDepth];
  if (layout === 'per-sequence') return common;
  return [...common, usedCells, (rows + promptTokens) * usedCells, tellsShared ? rows * sharedCells : 0];
}

export function stepMs(costs: StepCosts, shape: StepShape): number {
  const { rows, ownCells, sharedCells, promptTokens, promptDepth, usedCells } = shape;
  const chunkMs =
    promptTokens === 0 ? 0 : costs.chunk + promptTokens * (costs.promptToken + costs.promptCell * promptDepth);
  const rowMs = costs.row + costs.ownCell * ownCells + costs.sharedCell * sharedCells;
  const usedMs = usedCells * (costs.usedCell + costs.usedCellRow * (rows + promptTokens));
  return costs.pass + rows * rowMs + chunkMs + usedMs;
}
