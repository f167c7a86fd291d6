// What a tuning run may change: settings that make steps faster or slower and leave what they compute alone.
// Why resolved numbers and not settings: a setting of 0 follows others, and a search that changes one must not move its neighbours.

import type { FlashAttention } from '../../kv-types.ts';
import type { EngineConfiguration } from '../engine/engine-configuration.ts';

/** Named as the settings are. */
export interface SpeedValues {
  /** Compute steps of one row. */
  readonly threads: number;
  /** Compute longer ones. */
  readonly batchThreads: number;
  /** Draw tokens, the engine's own thread among them. */
  readonly samplingThreads: number;
  /** Tokens that the kernels compute at once. */
  readonly microBatch: number;
  /** Tokens of one step at most. */
  readonly stepTokens: number;
  readonly flashAttention: FlashAttention;
}

export type Knob = keyof SpeedValues;

export const knobs = [
  'threads',
  'batchThreads',
  'samplingThreads',
  'microBatch',
  'stepTokens',
  'flashAttention',
] as const satisfies readonly Knob[];

/** As kernel.ts has it: more threads than this wait for memory rather than compute. */
const samplingThreadsUsual = 8;

type SpeedConfiguration = Pick<
  EngineConfiguration,
  'threads' | 'batchThreads' | 'samplingThreads' | 'microBatchTokens' | 'stepTokensMax' | 'flashAttention'
>;

/** What an engine of this configuration uses on so many cores. */
export function speedValuesOf(configuration: SpeedConfiguration, coreCount: number): SpeedValues {
  const threads = configuration.threads || coreCount;
  const batchThreads = configuration.batchThreads || threads;
  return {
    threads,
    batchThreads,
    samplingThreads: configuration.samplingThreads || Math.min(Math.max(threads, batchThreads), samplingThreadsUsual),
    microBatch: configuration.microBatchTokens,
    stepTokens: configuration.stepTokensMax,
    flashAttention: configuration.flashAttention ?? 'auto',
  };
}

/** The configuration of an engine that uses these values. */
export function withSpeedValues(configuration: EngineConfiguration, values: SpeedValues): EngineConfiguration {
  return {
    ...configuration,
    threads: values.threads,
    batchThreads: values.batchThreads,
    samplingThreads: values.samplingThreads,
    microBatchTokens: values.microBatch,
    stepTokensMax: values.stepTokens,
    flashAttention: values.flashAttention,
  };
}

/** Knobs in which two differ. */
export function changedKnobs(from: SpeedValues, to: SpeedValues): readonly Knob[] {
  return knobs.filter((knob) => from[knob] !== to[knob]);
}

/** What must be set so that an engine uses `tuned`: of the threads, which follow one another, all or none. */
export function settingsToWrite(defaults: SpeedValues, tuned: SpeedValues): Partial<SpeedValues> {
  const { threads, batchThreads, samplingThreads } = tuned;
  const changed = changedKnobs(defaults, tuned);
  const threadsChange = changed.some((knob) => ['threads', 'batchThreads', 'samplingThreads'].includes(knob));
  return {
    ...(threadsChange ? { threads, batchThreads, samplingThreads } : {}),
    ...(changed.includes('microBatch') ? { microBatch: tuned.microBatch } : {}),
    ...(changed.includes('stepTokens') ? { stepTokens: tuned.stepTokens } : {}),
    ...(changed.includes('flashAttention') ? { flashAttention: tuned.flashAttention } : {}),
  };
}
