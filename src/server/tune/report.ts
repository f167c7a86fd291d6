// What a tuning run found, as it is kept, printed and sent between processes: plain data.

import { z } from 'zod';
import { flashAttentions } from '../../kv-types.ts';
import type { Estimate } from './judge.ts';
import { type LayoutReport, layoutReportSchema } from './layout-report.ts';
import { type Load, type LoadName, loadName } from './loads.ts';
import type { SearchResult } from './search.ts';
import { knobs, type SpeedValues, settingsToWrite } from './speed-values.ts';

const count = z.int().min(1);

export const speedValuesSchema = z.object({
  threads: count,
  batchThreads: count,
  samplingThreads: count,
  microBatch: count,
  stepTokens: count,
  flashAttention: z.enum(flashAttentions),
});

/** How long the other takes: 1 as long, below 1 faster. `error`: one standard error of it. */
const ratioSchema = z.object({ ratio: z.number(), error: z.number() });

const trialSchema = z.object({
  knob: z.enum(knobs),
  value: z.union([z.number(), z.string()]),
  verdict: z.enum(['better', 'worse', 'no-better', 'out-of-time', 'refused']),
  rounds: z.int(),
  reason: z.string().optional(),
  /** Against what was best by then, by load. */
  ratios: z.record(z.string(), ratioSchema),
});

export const reportSchema = z.object({
  defaults: speedValuesSchema,
  tuned: speedValuesSchema,
  /** What must be set to have `tuned`; empty where the defaults are best. */
  settings: speedValuesSchema.partial(),
  loads: z.array(
    z.object({
      /** `decode-8`: a step of eight rows; `prompt`: reading prompts. */
      name: z.string(),
      /** Milliseconds a step, or a token of a prompt, under the defaults. */
      cost: z.number(),
      /** What the same values differ by from themselves, as a share. */
      noise: z.number(),
      /** Of `tuned` to the defaults, from timings that were not used to choose it. */
      tuned: ratioSchema.optional(),
    }),
  ),
  trials: z.array(trialSchema),
  /** The last race against the defaults: whether what was found won it. */
  confirmation: z.object({ values: speedValuesSchema, verdict: trialSchema.shape.verdict, rounds: z.int() }).optional(),
  /** Absent in results of versions that measured none. */
  layouts: layoutReportSchema.optional(),
  seconds: z.number(),
});
export type TuningReport = Readonly<z.infer<typeof reportSchema>>;

export interface ReportFacts {
  readonly defaults: SpeedValues;
  readonly loads: readonly Load[];
  readonly layouts: LayoutReport;
  readonly seconds: number;
}

export function reportOf(result: SearchResult, { defaults, loads, layouts, seconds }: ReportFacts): TuningReport {
  const { tuned, costs, noise, trials, confirmation } = result;
  const isConfirmed = confirmation?.verdict === 'better';
  return {
    defaults,
    tuned,
    settings: settingsToWrite(defaults, tuned),
    loads: loads.map(loadName).map((name) => {
      const estimate = isConfirmed ? confirmation.estimates.get(name) : undefined;
      const measured = { name, cost: costs.get(name) ?? 0, noise: noise.get(name) ?? 0 };
      return estimate === undefined ? measured : { ...measured, tuned: ratioOf(estimate) };
    }),
    trials: trials.map(({ knob, value, verdict, roundCount, reason, estimates }) => ({
      knob,
      value,
      verdict,
      rounds: roundCount,
      ...(reason === undefined ? {} : { reason }),
      ratios: ratiosOf(estimates),
    })),
    ...(confirmation === undefined
      ? {}
      : {
          confirmation: {
            values: confirmation.values,
            verdict: confirmation.verdict,
            rounds: confirmation.roundCount,
          },
        }),
    layouts,
    seconds,
  };
}

function ratiosOf(estimates: ReadonlyMap<LoadName, Estimate>) {
  return Object.fromEntries([...estimates].map(([name, estimate]) => [name, ratioOf(estimate)]));
}

function ratioOf({ log, error }: Estimate) {
  const ratio = Math.exp(log);
  return { ratio, error: ratio * error };
}
