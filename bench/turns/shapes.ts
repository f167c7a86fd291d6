// Steps that computed alike, together: how often, how long, how many tokens.

import { percentile, sum } from '../statistics.ts';
import type { NotedStep, SideRun, StepKind } from './side.ts';

export interface Shape {
  readonly kind: StepKind;
  /** Of steps that read prompts 0, as are their rows: all of them are one shape. */
  readonly sequenceCount: number;
  readonly rowCount: number;
  readonly count: number;
  /** A step that was not disturbed: the lower quartile, for neighbours make steps longer and never shorter. */
  readonly quietMs: number;
  readonly totalMs: number;
  readonly tokenCount: number;
}

/** In order of sequences and rows. */
export function shapesOf(steps: readonly NotedStep[]): readonly Shape[] {
  const groups = new Map<string, NotedStep[]>();
  for (const step of steps) {
    const { kind, sequenceCount, rowCount } = step;
    const name = kind === 'prompt' ? kind : [kind, sequenceCount, rowCount].join(' ');
    const alike = groups.get(name);
    if (alike === undefined) groups.set(name, [step]);
    else alike.push(step);
  }
  return [...groups.values()]
    .flatMap(shapeOf)
    .sort((a, b) => a.sequenceCount - b.sequenceCount || a.rowCount - b.rowCount);
}

function shapeOf(alike: readonly NotedStep[]): Shape[] {
  const [first] = alike;
  if (first === undefined) return [];
  const times = alike.map(({ stepMs }) => stepMs);
  const rows = first.kind === 'prompt' ? { sequenceCount: 0, rowCount: 0 } : first;
  return [
    {
      kind: first.kind,
      sequenceCount: rows.sequenceCount,
      rowCount: rows.rowCount,
      count: alike.length,
      quietMs: percentile(times, 0.25) ?? 0,
      totalMs: sum(times),
      tokenCount: sum(alike.map(({ tokenCount }) => tokenCount)),
    },
  ];
}

/** An undisturbed step of the most frequent shape without guesses. */
export function plainQuietMs({ steps }: SideRun): number | undefined {
  const plain = shapesOf(steps).filter(({ kind }) => kind === 'plain');
  return plain.sort((a, b) => b.count - a.count)[0]?.quietMs;
}
