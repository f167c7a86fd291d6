// A tuning run from a configuration to a report: loads the model as the engine does, sizes the timings, searches.

import { availableParallelism } from 'node:os';
import { parseKvTypes } from '../../kv-types.ts';
import { type Libraries, loadLibraries } from '../../llama/libraries.ts';
import { memoryRoom } from '../../llama/memory.ts';
import { type LlamaModel, loadModel } from '../../llama/model.ts';
import type { EngineConfiguration } from '../engine/engine-configuration.ts';
import { candidatesFor } from './candidates.ts';
import { type Device, deviceOf } from './device.ts';
import { expectedLoad } from './expected-load.ts';
import { findLayout, layoutQuestionText } from './find-layout.ts';
import { type Load, loadName, loadsFor } from './loads.ts';
import { planLayouts } from './native-layouts.ts';
import { createNativeMachine, type MachineParts, type NativeMachine } from './native-machine.ts';
import { reportOf, type TuningReport } from './report.ts';
import { type KnobSteps, search } from './search.ts';
import { type SpeedValues, speedValuesOf } from './speed-values.ts';
import type { Rehearsal, TuneRequest } from './tune-request.ts';
import { type FoundSizes, findVisitSizes } from './visit-sizes.ts';

export type TuningWish = Extract<TuneRequest, { kind: 'tune' }>;
export type OnProgress = (label: string, seconds: number) => void;

export type TuningOutcome =
  | { readonly kind: 'tuned'; readonly device: Device; readonly report: TuningReport }
  | { readonly kind: 'rehearsed'; readonly device: Device; readonly rehearsal: Rehearsal };

/** Throws an Error for the operator where the model cannot be served as configured. */
export async function runTuning(wish: TuningWish, onProgress: OnProgress): Promise<TuningOutcome> {
  const { configuration } = wish;
  const libraries = loadLibraries({ gpu: configuration.gpu, log: () => undefined });
  onProgress('loading the model', 0);
  const { model, measured, availableBytes } = await loadBoth(configuration, libraries);
  try {
    const defaults = speedValuesOf(configuration, availableParallelism());
    const parts = { configuration, defaults, model, measured, availableBytes };
    const machine = await createNativeMachine(parts);
    return await tune(machine, { parts, wish, defaults, device: deviceOf(libraries), onProgress });
  } finally {
    model.dispose();
    measured.dispose();
  }
}

async function loadBoth(
  { modelPath, gpuLayers }: EngineConfiguration,
  libraries: Libraries,
): Promise<{ readonly model: LlamaModel; readonly measured: LlamaModel; readonly availableBytes: number | undefined }> {
  // With some layers on the GPU alone nobody knows which memory the cache will take.
  const isSplit = libraries.gpu !== 'off' && gpuLayers >= 0;
  const availableBytes = isSplit ? undefined : memoryRoom(libraries).freeBytes;
  const file = { libraries, path: modelPath, gpuLayers };
  const measured = await loadModel({ ...file, load: 'measure' });
  return { measured, availableBytes, model: await loadModel({ ...file, load: 'weights' }) };
}

interface TuneParts {
  readonly parts: MachineParts;
  readonly wish: TuningWish;
  readonly defaults: SpeedValues;
  readonly device: Device;
  readonly onProgress: OnProgress;
}

/** Share of the time that finding the layout gets, where there are two to choose from. */
const layoutShare = 0.35;

async function tune(machine: NativeMachine, tuning: TuneParts): Promise<TuningOutcome> {
  const { parts, wish, defaults, device, onProgress } = tuning;
  const { contextTokensMax, sequencesMax } = machine;
  const load = expectedLoad(wish.load, { sequencesMax, contextTokensMax });
  const planned = await planLayouts(parts, defaults);
  const startedMs = machine.now();
  const seconds = (): number => (machine.now() - startedMs) / 1000;
  const msMax = wish.secondsMax * 1000;
  const searchMsMax = planned.kind === 'both' ? (1 - layoutShare) * msMax : msMax;
  const loads = loadsFor(sequencesMax);
  onProgress('a first look', 0);
  const look = await lookAt(machine, loads, searchMsMax);
  const { costs, promptMsPerToken } = look;
  const knobs = knobsToTry(machine, tuning, look);
  if (wish.isRehearsal) {
    const looked = loads.map((one) => ({ name: loadName(one), cost: costs.get(loadName(one)) ?? 0 }));
    const rehearsal = { candidates: candidatesAsData(knobs), loads: looked };
    return { kind: 'rehearsed', device, rehearsal: { ...rehearsal, layouts: layoutQuestionText(planned, load) } };
  }
  const limits = { startedMs, msMax: searchMsMax, onProgress: (label: string) => onProgress(label, seconds()) };
  const result = await search(machine, { defaults, loads, knobs }, limits);
  const layouts = await findLayout(parts, {
    planned: result.tuned === defaults ? planned : await planLayouts(parts, result.tuned),
    load,
    values: result.tuned,
    noise: [...result.noise.values()],
    stepMs: costs.get(`decode-${sequencesMax}`) ?? 1,
    promptMsPerToken,
    deadlineMs: startedMs + msMax,
    onRound: () => onProgress('the KV layouts', seconds()),
  });
  return { kind: 'tuned', device, report: reportOf(result, { defaults, loads, layouts, seconds: seconds() }) };
}

/** Sizes the timings on a kernel of the defaults. */
async function lookAt(machine: NativeMachine, loads: readonly Load[], msMax: number): Promise<FoundSizes> {
  const kernel = await machine.openKernel();
  const { slabTokens, sequencesMax } = machine;
  const look = await findVisitSizes(kernel, { loads, msMax, slabTokens, sequencesMax }).finally(() => kernel.dispose());
  machine.useSizes(look.sizes);
  return look;
}

function knobsToTry(
  { sequencesMax }: NativeMachine,
  { wish, defaults }: TuneParts,
  { sizes, promptMsPerToken }: FoundSizes,
): readonly KnobSteps[] {
  return candidatesFor({
    defaults,
    loads: loadsFor(sequencesMax),
    coreCount: availableParallelism(),
    sequencesMax,
    kvTypes: kvTypesOf(wish.configuration),
    fixed: wish.fixed,
    promptTokens: sizes.promptCount * sizes.promptTokens,
    promptMsPerToken,
  });
}

function kvTypesOf({ kvTypes }: EngineConfiguration) {
  const parsed = parseKvTypes(kvTypes);
  if (parsed.kind === 'refused') throw new Error(parsed.message);
  return parsed.types;
}

function candidatesAsData(steps: readonly KnobSteps[]): Rehearsal['candidates'] {
  return steps.map(({ knob, directions }) => ({
    knob,
    values: directions.flat().flatMap((change) => change[knob] ?? []),
  }));
}
