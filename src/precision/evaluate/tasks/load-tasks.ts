// Tasks from what the user named: `KIND:PATH`, a folder of known files, and the small ones that are shipped.

import { createHash } from 'node:crypto';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Tokenizer } from '../../../text-ports.ts';
import type { ChoiceItem } from '../choice-items.ts';
import { type EvaluationFile, readEvaluationFile } from '../fetch-file.ts';
import { parseCode } from './code-file.ts';
import { type ChoiceKind, choiceParsers } from './files/choice-files.ts';
import { acceptItems, type ParsedItems } from './files/lines.ts';
import { parseGsm8k } from './gsm8k-file.ts';
import { parseProbes } from './probe-file.ts';
import { makeRecallItems } from './recall.ts';
import type { GenerationItem, Task, TaskSource } from './task.ts';

const generationParsers = {
  probes: parseProbes,
  gsm8k: parseGsm8k,
  'humaneval-js': parseCode,
} as const satisfies Record<string, (text: string) => ParsedItems<GenerationItem>>;

type GenerationKind = keyof typeof generationParsers;

export const taskKinds = [...Object.keys(choiceParsers), ...Object.keys(generationParsers)];

export interface TaskWish {
  readonly kind: string;
  /** A file, a URL, or (probes) a folder of files. */
  readonly path: string;
}

export interface TaskLimits {
  /** Items of one task at most: the first ones after shuffling by `seed`. */
  readonly itemsMax: number | undefined;
  readonly seed: number;
  readonly skipBroken: boolean;
  /** Answers for each code problem; more than one are drawn at a temperature. */
  readonly codeSamples: number;
  readonly warn: (text: string) => void;
}

/** Reads `KIND:PATH`. */
export function parseTaskWish(text: string): TaskWish {
  const colon = text.indexOf(':');
  const kind = text.slice(0, Math.max(0, colon));
  if (colon < 0 || !taskKinds.includes(kind))
    throw new Error(`a task must be KIND:PATH with KIND one of ${taskKinds.join(', ')}. Given: ${text}`);
  return { kind, path: text.slice(colon + 1) };
}

/** Files with known names in a folder such as ../shared/evals: which task each is. */
const knownFiles: readonly (readonly [kind: string, ...path: string[]])[] = [
  ['hellaswag', 'hellaswag', 'hellaswag_val_full.txt'],
  ['hellaswag', 'hellaswag', 'hellaswag_val_1000.txt'],
  ['arc', 'arc-easy', 'arc_easy.jsonl'],
  ['truthfulqa', 'truthfulqa', 'TruthfulQA.csv'],
  ['gsm8k', 'gsm8k', 'test.jsonl'],
  ['humaneval-js', 'humaneval-js', 'processed_human_eval_js.jsonl'],
];

/** The tasks that a folder of public evaluation files has; of two sizes of one set, the larger. */
export function findTasks(folder: string): readonly TaskWish[] {
  const found = knownFiles
    .map(([kind, ...path]) => ({ kind, path: join(folder, ...path) }))
    .filter(({ path }) => existsSync(path));
  if (found.length === 0)
    throw new Error(
      `${folder} must have at least one of ${knownFiles.map(([, ...path]) => path.join('/')).join(', ')}`,
    );
  return found.filter(({ kind }, index) => found.findIndex((other) => other.kind === kind) === index);
}

/** Reads a task's items. Throws with the list of broken lines unless they may be skipped. */
export async function loadTask(wish: TaskWish, limits: TaskLimits): Promise<Task> {
  const files = await Promise.all(filesOf(wish.path).map(readEvaluationFile));
  const source = {
    name: files.length > 1 ? wish.kind : nameOf(wish),
    kind: wish.kind,
    path: wish.path,
    sha256: createHash('sha256')
      .update(files.map(({ sha256 }) => sha256).join())
      .digest('hex'),
  };
  if (isChoiceKind(wish.kind)) {
    const { items, leftOut } = collect<ChoiceItem>(files, choiceParsers[wish.kind], limits);
    // As llama-perplexity scores HellaSwag; the other sets are published by the sum.
    return { ...source, leftOut, answers: 'choice', items, decidedBy: wish.kind === 'hellaswag' ? 'mean' : 'sum' };
  }
  if (!isGenerationKind(wish.kind))
    throw new Error(`a task must be one of ${taskKinds.join(', ')}. Given: ${wish.kind}`);
  const { items, leftOut } = collect<GenerationItem>(files, generationParsers[wish.kind], limits);
  const isCode = wish.kind === 'humaneval-js';
  return {
    ...source,
    leftOut,
    answers: 'text',
    items,
    sampleCount: isCode ? limits.codeSamples : 1,
    temperature: 0.8,
    gradersMax: isCode ? 2 : Number.POSITIVE_INFINITY,
  };
}

/** The recall task, which is made and not read. */
export function recallTask(
  tokenizer: Tokenizer,
  options: { tokensMax: number; itemsPerDistance: number; seed: number },
): Task {
  const tokensOf = (text: string) => tokenizer.tokenize(text, { special: false, bos: false }).length;
  const items = makeRecallItems({ tokensOf, ...options });
  const source: TaskSource = { name: 'recall', kind: 'recall', path: 'made', sha256: '', leftOut: 0 };
  const texts = items.map(({ prompt }) => (prompt.kind === 'chat' ? prompt.messages[0]?.content : prompt.text));
  const sha256 = createHash('sha256').update(texts.join('\n')).digest('hex');
  return {
    ...source,
    sha256,
    answers: 'text',
    items,
    sampleCount: 1,
    temperature: 0,
    gradersMax: Number.POSITIVE_INFINITY,
  };
}

function isChoiceKind(kind: string): kind is ChoiceKind {
  return Object.hasOwn(choiceParsers, kind);
}

function isGenerationKind(kind: string): kind is GenerationKind {
  return Object.hasOwn(generationParsers, kind);
}

/** `hellaswag`, or `probes colors` for a file of its own name. */
function nameOf({ kind, path }: TaskWish): string {
  const file = basename(path).replace(/\.[a-z]+$/i, '');
  return kind === 'probes' || kind === 'choice' ? (file === kind ? kind : `${kind} ${file}`) : kind;
}

function filesOf(path: string): string[] {
  if (!existsSync(path) || !statSync(path).isDirectory()) return [path];
  const names = readdirSync(path)
    .filter((name) => name.endsWith('.jsonl'))
    .sort();
  if (names.length === 0) throw new Error(`the folder must have .jsonl files. Given: ${path}`);
  return names.map((name) => join(path, name));
}

function collect<T extends { readonly id: string }>(
  files: readonly EvaluationFile[],
  parse: (text: string) => ParsedItems<T>,
  limits: TaskLimits,
): { readonly items: readonly T[]; readonly leftOut: number } {
  let leftOut = 0;
  const all = files.flatMap((file) => {
    const parsed = parse(file.text);
    leftOut += parsed.faults.length;
    const items = acceptItems(parsed, { file: file.path, ...limits });
    return files.length === 1 ? items : items.map((item) => ({ ...item, id: `${basename(file.path)} ${item.id}` }));
  });
  const { itemsMax, seed } = limits;
  if (itemsMax === undefined || all.length <= itemsMax) return { items: all, leftOut };
  // In order of a digest: a sample that does not depend on the order of the file, and grows without changing.
  const rank = ({ id }: T) => createHash('sha256').update(`${seed}:${id}`).digest('hex');
  const ranked = all.map((item) => ({ item, rank: rank(item) })).sort((a, b) => (a.rank < b.rank ? -1 : 1));
  const chosen = new Set(ranked.slice(0, itemsMax).map(({ item }) => item));
  return { items: all.filter((item) => chosen.has(item)), leftOut };
}
