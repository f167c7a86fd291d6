// A tuning run from a configuration to a report: loads the model as the engine does, sizes the timings, searches.

import { availableParallelism } from 'node:os';
import { parseKvTypes } from '../../kv-types.ts';
import { type Libraries, loadLibraries } from '../../llama/libraries.ts';
import { memoryRoom } from '../../llama/memory.ts';
import { type LlamaModel, loadModel } from '../../llama/model.ts';
import type { EngineConfiguration } from '../engine/engine-configuration.ts';
import { candidatesFor } from './candidates.ts';
import { type Device, deviceOf } from './device.ts';
import { loadName, loadsFor } from './loads.ts';
import { createNativeMachine, type NativeMachine } from './native-machine.ts';
import { reportOf, type TuningReport } from './report.ts';
import { type KnobSteps, search } from './search.ts';
import { type SpeedValues, speedValuesOf } from './speed-values.ts';
import type { Rehearsal, TuneRequest } from './tune-request.ts';
import { findVisitSizes } from './visit-sizes.ts';

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
    const machine = await createNativeMachine({ configuration, defaults, model, measured, availableBytes });
    return await tune(machine, { wish, defaults, device: deviceOf(libraries), onProgress });
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
  readonly wish: TuningWish;
  readonly defaults: SpeedValues;
  readonly device: Device;
  readonly onProgress: OnProgress;
}

async function tune(machine: NativeMachine, { wish, defaults, device, onProgress }: TuneParts): Promise<TuningOutcome> {
  const startedMs = machine.now();
  const seconds = (): number => (machine.now() - startedMs) / 1000;
  const loads = loadsFor(machine.sequencesMax);
  const msMax = wish.secondsMax * 1000;
  onProgress('a first look', 0);
  const kernel = await machine.openKernel();
  const look = { loads, msMax, slabTokens: machine.slabTokens, sequencesMax: machine.sequencesMax };
  const { sizes, costs, promptMsPerToken } = await findVisitSizes(kernel, look).finally(() => kernel.dispose());
  machine.useSizes(sizes);
  const knobs = candidatesFor({
    defaults,
    loads,
    coreCount: availableParallelism(),
    sequencesMax: machine.sequencesMax,
    kvTypes: kvTypesOf(wish.configuration),
    fixed: wish.fixed,
    promptTokens: sizes.promptCount * sizes.promptTokens,
    promptMsPerToken,
  });
  if (wish.isRehearsal) {
    const looked = loads.map((load) => ({ name: loadName(load), cost: costs.get(loadName(load)) ?? 0 }));
    return { kind: 'rehearsed', device, rehearsal: { candidates: candidatesAsData(knobs), loads: looked } };
  }
  const limits = { startedMs, msMax, onProgress: (label: string) => onProgress(label, seconds()) };
  const result = await search(machine, { defaults, loads, knobs }, limits);
  return { kind: 'tuned', device, report: reportOf(result, { defaults, loads, seconds: seconds() }) };
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
