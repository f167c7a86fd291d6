// The two kinds of task: choices scored by likelihood, and answers that are generated and graded.

import type { ChatMessage } from '../../../text-ports.ts';
import type { ChoiceItem } from '../choice-items.ts';

export interface TaskSource {
  readonly name: string;
  /** `hellaswag`, `probes`, ...: what --tasks names. */
  readonly kind: string;
  readonly path: string;
  readonly sha256: string;
  /** Broken lines that --skip-broken left out. */
  readonly leftOut: number;
}

export interface ChoiceTask extends TaskSource {
  readonly answers: 'choice';
  readonly items: readonly ChoiceItem[];
  /** What decides: the sum of log-probabilities, or their mean a token. */
  readonly decidedBy: 'sum' | 'mean';
}

export type Prompt =
  | { readonly kind: 'chat'; readonly messages: readonly ChatMessage[]; readonly tools: readonly unknown[] | undefined }
  | { readonly kind: 'text'; readonly text: string };

export interface GenerationItem {
  readonly id: string;
  /** Results are also counted by group: a probe's task, a distance. */
  readonly group: string;
  readonly prompt: Prompt;
  readonly outputTokensMax: number;
  /** The answer ends before the first of these. */
  readonly stop: readonly string[];
  /** Whether an answer is right. */
  readonly grade: (answer: string) => boolean | Promise<boolean>;
}

export interface GenerationTask extends TaskSource {
  readonly answers: 'text';
  readonly items: readonly GenerationItem[];
  /** Answers for each item: 1 greedily, more at `temperature`. */
  readonly sampleCount: number;
  readonly temperature: number;
  /** Answers graded at once; code that runs in processes wants few. */
  readonly gradersMax: number;
}

export type Task = ChoiceTask | GenerationTask;
