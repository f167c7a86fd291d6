// A tuning run from a configuration to a report: loads the model as the engine does, sizes the timings, searches.

import { availableParallelism } from 'node:os';
import type { ExpectedLoad } from '../../kv/layout-model/types.ts';
import { parseKvTypes } from '../../kv-types.ts';
import { loadLibraries } from '../../llama/libraries.ts';
import { type LlamaModel, loadModel } from '../../llama/model.ts';
import type { EngineConfiguration } from '../engine/engine-configuration.ts';
import { availableBytes } from '../engine/plan-sizes.ts';
import { candidatesFor } from './candidates.ts';
import { type Device, deviceOf } from './device.ts';
import { expectedLoad } from './expected-load.ts';
import { findLayout, layoutQuestionText } from './find-layout.ts';
import { type Load, loadName, loadsFor } from './loads.ts';
import { planLayouts } from './native-layouts.ts';
import { createNativeMachine, type MachineParts, type NativeMachine, planWith } from './native-machine.ts';
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

/** Throws an Error for the operator where the model cannot be served as configured, or not the load that it is asked for. */
export async function runTuning(wish: TuningWish, onProgress: OnProgress): Promise<TuningOutcome> {
  const { gpu, gpuLayers, modelPath: path } = wish.configuration;
  const libraries = loadLibraries({ gpu, log: () => undefined });
  onProgress('planning', 0);
  const file = { libraries, path, gpuLayers };
  const measured = await loadModel({ ...file, load: 'measure' });
  try {
    // Before the weights are loaded: what is refused is refused at once, and free memory is what an engine finds.
    const { parts, load } = await planTuning(wish, measured);
    onProgress('loading the model', 0);
    const model = await loadModel({ ...file, load: 'weights' });
    try {
      const machine = createNativeMachine({ ...parts, model });
      const device = deviceOf(libraries);
      return await tune(machine, { parts: { ...parts, model }, wish, load, device, onProgress });
    } finally {
      model.dispose();
    }
  } finally {
    measured.dispose();
  }
}

/** What the weights are not needed for. */
async function planTuning({ configuration, load }: TuningWish, measured: LlamaModel) {
  const defaults = speedValuesOf(configuration, availableParallelism());
  const planning = { configuration, measured, availableBytes: availableBytes(configuration, measured.libraries) };
  const planned = await planWith(planning, defaults);
  const { sequencesMax } = configuration;
  const { contextTokensMax } = planned.plan;
  return { parts: { ...planning, defaults, planned }, load: expectedLoad(load, { sequencesMax, contextTokensMax }) };
}

interface TuneParts {
  readonly parts: MachineParts;
  readonly wish: TuningWish;
  readonly load: ExpectedLoad;
  readonly device: Device;
  readonly onProgress: OnProgress;
}

/** Share of the time that finding the layout gets, where there are two to choose from. */
const layoutShare = 0.35;

async function tune(machine: NativeMachine, tuning: TuneParts): Promise<TuningOutcome> {
  const { parts, wish, load, device, onProgress } = tuning;
  const { defaults } = parts;
  const { sequencesMax } = machine;
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
  const asked = { load, stepMs: costs.get(`decode-${sequencesMax}`) ?? 1, promptMsPerToken };
  if (wish.isRehearsal) {
    const looked = loads.map((one) => ({ name: loadName(one), cost: costs.get(loadName(one)) ?? 0 }));
    const deadlineMs = machine.now() + layoutShare * msMax;
    const layouts = layoutQuestionText(parts.configuration, { ...asked, planned, values: defaults, deadlineMs });
    return {
      kind: 'rehearsed',
      device,
      rehearsal: { ...(await rehearse(machine, defaults, knobs)), loads: looked, layouts },
    };
  }
  const limits = { startedMs, msMax: searchMsMax, onProgress: (label: string) => onProgress(label, seconds()) };
  const result = await search(machine, { defaults, loads, knobs }, limits);
  const layouts = await findLayout(parts, {
    planned: result.tuned === defaults ? planned : await planLayouts(parts, result.tuned),
    ...asked,
    values: result.tuned,
    noise: [...result.noise.values()],
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
  { wish, parts: { defaults } }: TuneParts,
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

/** Every candidate, those that planning refuses apart from the others. */
async function rehearse(machine: NativeMachine, defaults: SpeedValues, steps: readonly KnobSteps[]) {
  const candidates: Rehearsal['candidates'] = [];
  const refused: Rehearsal['refused'] = [];
  for (const { knob, directions } of steps) {
    const values: (number | string)[] = [];
    for (const change of directions.flat()) {
      const value = change[knob];
      if (value === undefined) continue;
      const reason = await machine.obstacleFor({ ...defaults, ...change });
      if (reason === undefined) values.push(value);
      else refused.push({ knob, value, reason });
    }
    candidates.push({ knob, values });
  }
  return { candidates: candidates.filter(({ values }) => values.length > 0), refused };
}
