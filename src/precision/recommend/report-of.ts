// What a search has found as data, to be kept and shown.

import { basename } from 'node:path';
import type { Bench } from './bench.ts';
import { bitsOf, bitsOfTypes, type Judged, mixFileBytes, plannedAs } from './judge-rows.ts';
import type { PreparedSearch } from './prepare-search.ts';
import type { RecommendWish } from './recommend-wish.ts';
import { type Recommendation, recommendationSchema } from './recommendation.ts';
import { typesOf } from './search-mix.ts';
import { type FoundRecipe, stepsLabel } from './search-steps.ts';
import type { SearchTexts, TextWindows } from './text-windows.ts';

export interface Result {
  readonly search: PreparedSearch;
  readonly texts: SearchTexts;
  readonly found: FoundRecipe;
  readonly judged: Judged;
  readonly sha256: Bench['sha256'];
  readonly seconds: number;
}

export function reportOf(wish: RecommendWish, result: Result): Recommendation {
  const { search, found, judged, sha256, seconds } = result;
  const { file, asItIs } = search;
  const { mix, groups, steps, tried } = found;
  const types = typesOf(groups, mix.picks);
  return recommendationSchema.parse({
    kind: 'octet-recommendation',
    schema: 1,
    createdAt: new Date().toISOString(),
    seconds,
    command: wish.command,
    versions: { octet: wish.version, node: process.version, llamaCpp: wish.libraries.native.llama_version() },
    device: wish.libraries.reason,
    model: { path: wish.source, sha256, fileBytes: file.fileBytes, bitsPerWeight: bitsOf(asItIs) },
    budget: budgetOf(wish, search),
    settings: settingsOf(wish, result.texts),
    groups: groupsOf(found),
    scaling: {
      picked: stepsLabel(steps),
      tried: tried.map(({ label, loss }) => ({ step: label, calibrationLoss: loss })),
    },
    steps: mix.steps,
    mix: {
      fileBytes: mixFileBytes(found),
      bitsPerWeight: bitsOfTypes(search, types),
      calibrationLoss: mix.loss,
      tensors: file.tensors.map((tensor) => ({ name: tensor.name, type: plannedAs(tensor, types).to })),
    },
    rows: judged.rows,
    notes: [...search.notes, ...judged.notes],
  });
}

function budgetOf({ budgetGiven }: RecommendWish, { budget }: PreparedSearch) {
  return {
    given: budgetGiven,
    ...(budget.kind === 'file' ? { fileBytesMax: budget.bytes } : { bitsPerWeightMax: budget.bitsPerWeight }),
  };
}

function settingsOf(wish: RecommendWish, { calibration, evaluation }: SearchTexts) {
  const text = ({ path, sha256, windows }: TextWindows) => ({ path, sha256, windowCount: windows.length });
  return {
    formats: [...wish.formats],
    grouping: wish.grouping,
    contextTokens: wish.contextTokens,
    ...(wish.importancePath === undefined ? {} : { importance: basename(wish.importancePath) }),
    calibration: text(calibration),
    evaluation: text(evaluation),
  };
}

function groupsOf({ groups, mix }: FoundRecipe) {
  return groups.map(({ name, valueCount, choices }, group) => ({
    name,
    valueCount,
    picked: choices[mix.picks[group] ?? 0]?.label,
    choices: choices.map(({ label, bytes }, choice) => ({
      format: label,
      bytes,
      loss: mix.sensitivities[group]?.[choice],
    })),
  }));
}
