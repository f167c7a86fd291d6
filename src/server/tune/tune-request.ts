// What is told to the tuning process, and what it answers.

import { z } from 'zod';
import type { Gpu } from '../../llama/library-packages.ts';
import type { EngineConfiguration } from '../engine/engine-configuration.ts';
import { deviceSchema } from './device.ts';
import type { LoadWish } from './expected-load.ts';
import { reportSchema } from './report.ts';
import type { Knob } from './speed-values.ts';

export type TuneRequest =
  /** Only tells what computes. */
  | { readonly kind: 'device'; readonly gpu: 'auto' | Gpu }
  | {
      readonly kind: 'tune';
      readonly configuration: EngineConfiguration;
      /** Knobs that were set, and stay as they are. */
      readonly fixed: readonly Knob[];
      /** What the KV layouts are weighed for. */
      readonly load: LoadWish;
      /** From the moment when the model is loaded. */
      readonly secondsMax: number;
      /** Tells what would be tried, and tries nothing. */
      readonly isRehearsal: boolean;
    };

const rehearsalSchema = z.object({
  candidates: z.array(z.object({ knob: z.string(), values: z.array(z.union([z.number(), z.string()])) })),
  /** Candidates that planning refuses already. */
  refused: z.array(z.object({ knob: z.string(), value: z.union([z.number(), z.string()]), reason: z.string() })),
  loads: z.array(z.object({ name: z.string(), cost: z.number() })),
  /** Whether the KV layouts would be timed, for which load, or why not. */
  layouts: z.string(),
});
export type Rehearsal = Readonly<z.infer<typeof rehearsalSchema>>;

export const tuneMessage = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('progress'), label: z.string(), seconds: z.number() }),
  z.object({ kind: z.literal('device'), device: deviceSchema }),
  z.object({ kind: z.literal('rehearsed'), device: deviceSchema, rehearsal: rehearsalSchema }),
  z.object({ kind: z.literal('tuned'), device: deviceSchema, report: reportSchema }),
  z.object({ kind: z.literal('failed'), reason: z.string() }),
]);
export type TuneMessage = Readonly<z.infer<typeof tuneMessage>>;
export type TuneOutcome = Exclude<TuneMessage, { kind: 'progress' }>;
