// What an evaluation is to do, what it is given to do it with, and what the measuring of one cell needs.

import { availableMemory } from 'node:process';
import type { Libraries } from '../../llama/libraries.ts';
import type { Cell } from './cells.ts';
import type { EvaluationFile } from './fetch-file.ts';
import type { ModelShelf } from './model-shelf.ts';
import type { PartialResults } from './partial-results.ts';
import type { OpenEngine } from './serving-engine.ts';
import type { Task } from './tasks/task.ts';
import type { Window } from './windows.ts';

export const metrics = ['perplexity', 'kl', 'tasks', 'serving'] as const;
export type Metric = (typeof metrics)[number];

export interface EvaluationPlan {
  readonly cells: readonly Cell[];
  readonly reference: Cell;
  readonly metrics: readonly Metric[];
  readonly suite: string;
  readonly text: EvaluationFile | undefined;
  readonly contextTokens: number;
  readonly windowsMax: number | undefined;
  /** Undefined compares whole rows side by side. */
  readonly topK: number | undefined;
  readonly tasks: readonly Task[];
  readonly itemsMax: number | undefined;
  readonly seed: number;
  readonly threads: number;
  readonly gpuLayers: number;
  readonly memoryBytes: number;
  /** Sequences that the tasks generate at once. */
  readonly streamCount: number;
  readonly command: string;
}

export interface Progress {
  /** A new piece of work with so many steps. */
  start(label: string, total: number): void;
  advance(done: number): void;
}

export interface EvaluationPorts {
  readonly libraries: Libraries;
  readonly openEngine: OpenEngine;
  readonly progress: Progress;
  readonly partial: PartialResults;
  readonly version: string;
}

/** What the measuring of one cell needs. */
export interface CellContext {
  readonly plan: EvaluationPlan;
  readonly ports: EvaluationPorts;
  readonly cell: Cell;
  readonly shelf: ModelShelf;
  readonly windows: readonly Window[];
  /** Part of every piece's key. */
  readonly key: unknown;
  /** Runs a piece of work; a fault is noted in the cell's run, and the answer is undefined. */
  readonly guard: <T>(what: string, work: () => Promise<T>) => Promise<T | undefined>;
}

/** Whether two cells' models can be held at once, each with half of its size again for cache and buffers. */
export function fitTogether(first: Cell, second: Cell): boolean {
  const bytes = first.weights.fileBytes + (second.weights.path === first.weights.path ? 0 : second.weights.fileBytes);
  return 1.5 * bytes < availableMemory();
}
