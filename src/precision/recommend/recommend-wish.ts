// What is asked of `octet recommend`.

import type { Progress } from '../evaluate/plan.ts';
import type { SearchWish } from './prepare-search.ts';
import type { TextWish } from './text-windows.ts';

export interface RecommendWish extends SearchWish, TextWish {
  readonly budgetGiven: string;
  /** Formats and recipes to compare with; undefined takes the largest that are within the budget. */
  readonly compare: readonly string[] | undefined;
  readonly roundsMax: number;
  readonly threads: number;
  readonly gpuLayers: number;
  /** Where measurements are kept, and parts of the model while they are needed. */
  readonly cacheFolder: string;
  readonly version: string;
  readonly command: string;
}

export interface RecommendPorts {
  readonly progress: Progress;
  readonly onReused: (count: number) => void;
}
