// Runs a task of generated answers on a cell, through the engine that serves.
// Why many at once: the engine batches them as it batches requests, and a task takes a tenth of the time.

import { greedySampling } from '../../../sampling-params.ts';
import type { ChatTemplate, Tokenizer } from '../../../text-ports.ts';
import type { TaskResult } from '../result-schema.ts';
import { generate, overAll, type ServingEngine } from '../serving-engine.ts';
import { meanOf, proportionOf } from '../statistics.ts';
import { passAt } from './code-file.ts';
import type { GenerationItem, GenerationTask } from './task.ts';

export interface GenerationTaskRun {
  readonly serving: ServingEngine;
  readonly tokenizer: Tokenizer;
  readonly template: ChatTemplate;
  readonly task: GenerationTask;
  readonly seed: number;
  /** Answers generated at once. */
  readonly streamCount: number;
  readonly onProgress?: (answerCount: number) => void;
}

/** Characters of an answer that are kept in the result. */
const answerLengthMax = 400;
/** pass@k is reported for these, as far as there are samples. */
const passCounts = [1, 10, 100] as const;

interface Answer {
  readonly text: string;
  readonly isRight: boolean;
}

export async function runGenerationTask(run: GenerationTaskRun): Promise<TaskResult> {
  const { task } = run;
  const startedMs = performance.now();
  const wishes = task.items.flatMap((item) =>
    Array.from({ length: task.sampleCount }, (_, sample) => ({ item, sample })),
  );
  const grading = createTurns(task.gradersMax);
  let doneCount = 0;
  const answers = await overAll(wishes, run.streamCount, async ({ item, sample }) => {
    const text = await answer(run, item, sample);
    const isRight = await grading(() => item.grade(text));
    doneCount += 1;
    run.onProgress?.(doneCount);
    return { text, isRight };
  });
  return { ...summarize(task, answers), seconds: (performance.now() - startedMs) / 1000 };
}

async function answer(run: GenerationTaskRun, item: GenerationItem, sample: number): Promise<string> {
  const { task, tokenizer } = run;
  const tokens = encodePrompt(run, item);
  const room = run.serving.capacity.contextTokensMax - tokens.length;
  // A prompt that leaves no room is answered wrongly by this cell, as it would be when served.
  if (room < 1) return '';
  const { text } = await generate(run.serving, tokenizer, {
    tokens,
    outputTokensMax: Math.min(item.outputTokensMax, room),
    sampling: { ...greedySampling, temperature: task.sampleCount === 1 ? 0 : task.temperature, topP: 0.95 },
    seed: run.seed + sample,
    stop: item.stop,
    ignoreEos: false,
  });
  return text;
}

function encodePrompt({ tokenizer, template }: GenerationTaskRun, { prompt }: GenerationItem): Int32Array {
  if (prompt.kind === 'text') return tokenizer.tokenize(prompt.text, { special: false, bos: true });
  // The probes are ours: a control token written in one is meant as one.
  const text = template.render(prompt.messages, { addGenerationPrompt: true, tools: prompt.tools });
  return tokenizer.tokenize(text, { special: true, bos: true });
}

function summarize(task: GenerationTask, answers: readonly Answer[]): Omit<TaskResult, 'seconds'> {
  const { sampleCount } = task;
  const outcomes = task.items.map((item, index) => {
    const own = answers.slice(index * sampleCount, (index + 1) * sampleCount);
    const passCount = own.filter(({ isRight }) => isRight).length;
    return { item, passCount, answer: own[0]?.text ?? '' };
  });
  const groups = [...new Set(task.items.map(({ group }) => group))];
  const accuracyOf = (of: typeof outcomes) => {
    const counted = proportionOf(
      of.reduce((sum, { passCount }) => sum + passCount, 0),
      of.length * sampleCount,
    );
    // Samples of one item are not independent: the items are what was sampled.
    const byItem = meanOf(of.map(({ passCount }) => passCount / sampleCount));
    return sampleCount === 1 ? counted : { ...counted, count: of.length, standardError: byItem.standardError };
  };
  return {
    name: task.name,
    kind: task.kind,
    accuracy: accuracyOf(outcomes),
    groups:
      groups.length < 2
        ? []
        : groups.map((name) => ({ name, accuracy: accuracyOf(outcomes.filter(({ item }) => item.group === name)) })),
    ...(task.kind === 'humaneval-js' ? { passAt: passRates(outcomes, sampleCount) } : {}),
    outcomes: outcomes.map(({ item, passCount, answer: text }) => ({
      id: item.id,
      score: passCount / sampleCount,
      answer: text.slice(0, answerLengthMax),
    })),
  };
}

function passRates(outcomes: readonly { readonly passCount: number }[], sampleCount: number) {
  return passCounts
    .filter((k) => k <= sampleCount)
    .map((k) => ({ k, rate: meanOf(outcomes.map(({ passCount }) => passAt(k, { passCount, sampleCount }))) }));
}

/** Lets at most `count` pieces of work run at once. */
function createTurns(count: number): <T>(work: () => T | Promise<T>) => Promise<T> {
  let free = count;
  const waiting: (() => void)[] = [];
  return async (work) => {
    if (free > 0) free -= 1;
    else await new Promise<void>((resolve) => waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next === undefined) free += 1;
      else next();
    }
  };
}
