// `octet recommend` as a whole: prepare, measure, choose, refine, judge.
// Why the judgement is on a text that the search has not seen: see text-windows.ts.

import { createHash } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { contentHash } from '../cache/content-hash.ts';
import { openPartialResults } from '../evaluate/partial-results.ts';
import type { Progress } from '../evaluate/plan.ts';
import { isQuantizable } from '../recipes/eligible.ts';
import { bitsPerWeight, planTensor, type WeightPlan } from '../recipes/resolve.ts';
import { createJudge } from './judge.ts';
import { createMixMeter } from './mix-meter.ts';
import { type MixParts, openMixParts } from './mix-parts.ts';
import { type PreparedSearch, prepareSearch, type SearchWish } from './prepare-search.ts';
import { recipeText } from './recipe-text.ts';
import { type Recommendation, type RecommendationRow, recommendationSchema } from './recommendation.ts';
import { chooseRivals } from './rivals.ts';
import { type FoundMix, searchMix, typesOf } from './search-mix.ts';
import type { TensorTypes } from './tensor-groups.ts';
import { readTexts, type SearchTexts, type TextWish } from './text-windows.ts';

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

export interface RecommendationMade {
  readonly report: Recommendation;
  /** The JSON text of the recipe. */
  readonly recipe: string;
}

export async function recommend(wish: RecommendWish, ports: RecommendPorts): Promise<RecommendationMade> {
  const startedMs = performance.now();
  const search = await prepareSearch(wish);
  const texts = await readTexts(wish, {
    libraries: wish.libraries,
    path: wish.source,
    load: 'vocabulary',
    gpuLayers: 0,
  });
  mkdirSync(wish.cacheFolder, { recursive: true });
  const sha256 = await digestOf(search, wish.cacheFolder);
  const bench = await openBench(wish, { search, texts, sha256, ports });
  try {
    const found = await searchMix({
      groups: search.groups,
      bytesMax: search.bytesMax,
      roundsMax: wish.roundsMax,
      lossOf: async (types) => (await bench.meter.measure(types)).divergence,
      onProgress: bench.onProgress,
    });
    const types = typesOf(search.groups, found.picks);
    const { rows, notes } = await judgeAll(wish, { search, types, bench });
    ports.onReused(bench.partial.reusedCount());
    const own = rows.find(({ kind }) => kind === 'recommended');
    const description = describe(wish, own);
    return {
      recipe: recipeText(
        search.file.tensors.filter(isQuantizable).map((tensor) => plannedAs(tensor, types)),
        description,
      ),
      report: recommendationSchema.parse({
        ...reportOf(wish, { search, texts, found, sha256 }),
        seconds: (performance.now() - startedMs) / 1000,
        rows,
        notes,
      }),
    };
  } finally {
    await bench.dispose();
  }
}

function plannedAs(tensor: Parameters<typeof planTensor>[0], types: TensorTypes) {
  return planTensor(tensor, types.get(tensor.name) ?? tensor.type);
}

/** One digest for all parts of the source. */
async function digestOf({ file }: PreparedSearch, folder: string): Promise<string> {
  const hashes: string[] = [];
  for (const { path } of file.parts) hashes.push(await contentHash(path, folder));
  return hashes.length === 1 ? (hashes[0] ?? '') : createHash('sha256').update(hashes.join()).digest('hex');
}

interface BenchOptions {
  readonly search: PreparedSearch;
  readonly texts: SearchTexts;
  readonly sha256: string;
  readonly ports: RecommendPorts;
}

/** Everything that measures; parts of the model are made when the first number is not known yet. */
async function openBench(wish: RecommendWish, { search, texts, sha256, ports }: BenchOptions) {
  const { libraries, cacheFolder, gpuLayers, threads, importancePath } = wish;
  const partial = openPartialResults(join(cacheFolder, `${sha256.slice(0, 16)}.jsonl`));
  const importanceHash = importancePath === undefined ? '' : await contentHash(importancePath, cacheFolder);
  let opened: Promise<MixParts> | undefined;
  const parts = (): Promise<MixParts> => {
    opened ??= openMixParts({ file: search.file, libraries, folder: cacheFolder, importance: search.importance });
    return opened;
  };
  const shared = { libraries, parts, gpuLayers, threads, partial };
  const keyOf = (text: SearchTexts['calibration']) => [
    libraries.native.llama_version(),
    libraries.gpu,
    sha256,
    importanceHash,
    text.sha256,
    text.windows.map(({ tokens, firstRow }) => [firstRow, createHash('sha256').update(tokens).digest('base64')]),
  ];
  let label = '';
  const onProgress = (next: string, done: number, total: number): void => {
    const stage = next.split(',', 1)[0] ?? '';
    if (stage !== label) ports.progress.start(stage, total);
    label = stage;
    ports.progress.advance(done);
  };
  const { calibration, evaluation } = texts;
  return {
    partial,
    onProgress,
    meter: createMixMeter({ ...shared, windows: calibration.windows, key: keyOf(calibration) }),
    judge: createJudge({
      ...shared,
      windows: evaluation.windows,
      key: keyOf(evaluation),
      onProgress: (done) => ports.progress.advance(done),
    }),
    startJudging: (name: string) => ports.progress.start(`judging ${name}`, evaluation.windows.length),
    async dispose() {
      await (await opened)?.dispose();
    },
  };
}

type Bench = Awaited<ReturnType<typeof openBench>>;

interface Judging {
  readonly search: PreparedSearch;
  readonly types: TensorTypes;
  readonly bench: Bench;
}

/** The model as it is, the mix, and its rivals, on the evaluation text. */
async function judgeAll(wish: RecommendWish, { search, types, bench }: Judging) {
  const fileBytesMax = search.bytesMax + search.overheadBytes;
  const { rivals, notes } = await chooseRivals(wish, fileBytesMax);
  const rows: RecommendationRow[] = [];
  const own = { kind: 'recommended', label: wish.name, fileBytes: mixFileBytes(search, types), types } as const;
  for (const { kind, label, fileBytes, types: formats } of [own, ...rivals]) {
    bench.startJudging(label);
    const found = await bench.judge.judge(formats);
    if (rows.length === 0)
      rows.push({
        kind: 'reference',
        label: 'as it is',
        fileBytes: search.file.fileBytes,
        bitsPerWeight: bitsOf(search.asItIs),
        perplexity: found.referencePerplexity,
      });
    rows.push({
      kind,
      label,
      fileBytes,
      bitsPerWeight: bitsOfTypes(search, formats),
      divergence: { value: found.divergence.value, standardError: found.divergence.standardError },
      perplexity: found.perplexity,
      sameTop: found.sameTop,
    });
  }
  return { rows, notes };
}

function bitsOf({ bytes, valueCount }: WeightPlan): number {
  return bitsPerWeight(bytes, valueCount);
}

function bitsOfTypes({ file, asItIs }: PreparedSearch, types: TensorTypes): number {
  const bytes = file.tensors.reduce((sum, tensor) => sum + plannedAs(tensor, types).bytes, 0);
  return bitsPerWeight(bytes, asItIs.valueCount);
}

function mixFileBytes({ groups, overheadBytes }: PreparedSearch, types: TensorTypes): number {
  const chosen = groups.map(({ choices, tensors }) =>
    choices.find((choice) => tensors.every(({ name }) => choice.types.get(name) === types.get(name))),
  );
  return overheadBytes + chosen.reduce((sum, choice) => sum + (choice?.bytes ?? 0), 0);
}

function describe(wish: RecommendWish, row: RecommendationRow | undefined): string {
  const divergence = row?.divergence?.value.toPrecision(3) ?? 'unknown';
  const bits = row?.bitsPerWeight.toFixed(2) ?? 'unknown';
  return (
    `Chosen by octet recommend for ${basename(wish.source)} within ${wish.budgetGiven}: ${bits} bits per weight, ` +
    `KL divergence ${divergence} nats a token.`
  );
}

interface Found {
  readonly search: PreparedSearch;
  readonly texts: SearchTexts;
  readonly found: FoundMix;
  readonly sha256: string;
}

function reportOf(wish: RecommendWish, { search, texts, found, sha256 }: Found) {
  const { groups, budget, file } = search;
  const types = typesOf(groups, found.picks);
  const text = ({ path, sha256: digest, windows }: SearchTexts['calibration']) => ({
    path,
    sha256: digest,
    windowCount: windows.length,
  });
  return {
    kind: 'octet-recommendation',
    schema: 1,
    createdAt: new Date().toISOString(),
    command: wish.command,
    versions: { octet: wish.version, node: process.version, llamaCpp: wish.libraries.native.llama_version() },
    device: wish.libraries.reason,
    model: { path: wish.source, sha256, fileBytes: file.fileBytes, bitsPerWeight: bitsOf(search.asItIs) },
    budget: {
      given: wish.budgetGiven,
      ...(budget.kind === 'file' ? { fileBytesMax: budget.bytes } : { bitsPerWeightMax: budget.bitsPerWeight }),
    },
    settings: {
      formats: [...wish.formats],
      grouping: wish.grouping,
      contextTokens: wish.contextTokens,
      ...(wish.importancePath === undefined ? {} : { importance: basename(wish.importancePath) }),
      calibration: text(texts.calibration),
      evaluation: text(texts.evaluation),
    },
    groups: groups.map(({ name, valueCount, choices }, group) => ({
      name,
      valueCount,
      picked: choices[found.picks[group] ?? 0]?.label,
      choices: choices.map(({ label, bytes }, choice) => ({
        format: label,
        bytes,
        loss: found.sensitivities[group]?.[choice],
      })),
    })),
    steps: found.steps,
    mix: {
      fileBytes: mixFileBytes(search, types),
      bitsPerWeight: bitsOfTypes(search, types),
      calibrationLoss: found.loss,
      tensors: file.tensors.map((tensor) => ({ name: tensor.name, type: plannedAs(tensor, types).to })),
    },
  };
}
