// Everything that a search measures with: mixes on the windows to choose by, results on those to judge by, activations.
// Why parts of the model are made late: when all numbers are known from before, none is needed.

import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { contentHash } from '../cache/content-hash.ts';
import { openPartialResults } from '../evaluate/partial-results.ts';
import type { Divergence } from '../evaluate/result-schema.ts';
import { createJudge } from './judge.ts';
import { measureStatistics } from './measure-statistics.ts';
import { createMixMeter, type Mix } from './mix-meter.ts';
import type { MovedScales } from './moved-scales.ts';
import { openPartsShelf } from './parts-shelf.ts';
import type { PreparedSearch } from './prepare-search.ts';
import type { RecommendPorts, RecommendWish } from './recommend-wish.ts';
import type { TensorTypes } from './tensor-groups.ts';
import type { SearchTexts } from './text-windows.ts';

export interface Bench {
  /** Of the source's content. */
  readonly sha256: string;
  /** Divergence from the model as it is on the windows to choose by, in nats a token. */
  lossOf(types: TensorTypes, moved?: MovedScales): Promise<number>;
  /** The same and more on the windows to judge by. */
  judge(name: string, mix: Mix): Promise<Divergence>;
  /** Path of an importance matrix: the given one, or one of the text to choose by. */
  statistics(): Promise<string>;
  /** What is before the first comma of a label is shown. */
  readonly onProgress: (label: string, done: number, total: number) => void;
  /** Numbers that an earlier run measured. */
  readonly reusedCount: () => number;
  dispose(): Promise<void>;
}

export interface BenchOptions {
  readonly search: PreparedSearch;
  readonly texts: SearchTexts;
  readonly ports: RecommendPorts;
}

export async function openBench(wish: RecommendWish, { search, texts, ports }: BenchOptions): Promise<Bench> {
  const { libraries, source, cacheFolder, gpuLayers, threads, importancePath } = wish;
  const sha256 = await digestOf(search, cacheFolder);
  const partial = openPartialResults(join(cacheFolder, `${sha256.slice(0, 16)}.jsonl`));
  const importanceHash = importancePath === undefined ? '' : await contentHash(importancePath, cacheFolder);
  const onProgress = stageShower(ports.progress);
  const shelf = openPartsShelf({
    source,
    file: search.file,
    libraries,
    folder: cacheFolder,
    importance: search.importance,
    onScaled: (fraction) => onProgress('moving scales', Math.round(100 * fraction), 100),
  });
  const keyOf = (text: SearchTexts['calibration']) => [
    libraries.native.llama_version(),
    libraries.gpu,
    sha256,
    importanceHash,
    text.sha256,
    text.windows.map(({ tokens, firstRow }) => [firstRow, createHash('sha256').update(tokens).digest('base64')]),
  ];
  const { calibration, evaluation } = texts;
  const shared = { libraries, shelf, gpuLayers, threads, partial };
  const meter = createMixMeter({ ...shared, windows: calibration.windows, key: keyOf(calibration) });
  let judged = '';
  const showJudging = (done: number) => onProgress(`judging ${judged}`, done, evaluation.windows.length);
  const judging = { ...shared, windows: evaluation.windows, key: keyOf(evaluation), onProgress: showJudging };
  const judge = createJudge(judging);
  return {
    sha256,
    onProgress,
    lossOf: async (types, moved) => (await meter.measure(types, moved)).divergence,
    judge(name, mix) {
      judged = name;
      return judge.judge(mix);
    },
    statistics() {
      const onWindow = (done: number, total: number) => onProgress('measuring activations', done, total);
      const place = { libraries, source, sha256, gpuLayers, threads, folder: cacheFolder, onWindow };
      return importancePath === undefined
        ? measureStatistics(texts.statistics, place)
        : Promise.resolve(importancePath);
    },
    reusedCount: partial.reusedCount,
    dispose: () => shelf.dispose(),
  };
}

/** One digest for all parts of the source. */
async function digestOf({ file }: PreparedSearch, folder: string): Promise<string> {
  const hashes: string[] = [];
  for (const { path } of file.parts) hashes.push(await contentHash(path, folder));
  return hashes.length === 1 ? (hashes[0] ?? '') : createHash('sha256').update(hashes.join()).digest('hex');
}

function stageShower(progress: RecommendPorts['progress']): Bench['onProgress'] {
  let shown = '';
  return (label, done, total) => {
    const stage = label.split(',', 1)[0] ?? '';
    if (stage !== shown) progress.start(stage, total);
    shown = stage;
    progress.advance(done);
  };
}
