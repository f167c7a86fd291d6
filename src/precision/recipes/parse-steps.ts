// The part of a recipe's JSON form that comes before formats: `"steps": [{ "kind": "awq" }, { "kind": "smooth", "strength": 0.5 }]`.

import { z } from 'zod';
import { activationSizes, activationsUsual, groupKinds, type ScalingStep } from './recipe.ts';

function given(value: unknown): string {
  return `Given: ${JSON.stringify(value)?.slice(0, 100) ?? 'nothing'}`;
}

const common = {
  groups: z
    .array(z.enum(groupKinds, { error: ({ input }) => `must be one of ${groupKinds.join(', ')}. ${given(input)}` }))
    .min(1, 'must name one group at least; without "groups" all are meant')
    .default([...groupKinds]),
  activations: z
    .enum(activationSizes, { error: ({ input }) => `must be one of ${activationSizes.join(', ')}. ${given(input)}` })
    .default(activationsUsual),
  statistics: z.string().min(1, 'must be the path of an importance matrix. Given: ""').optional(),
};

const strength = z
  .unknown()
  .refine((value): value is number => typeof value === 'number' && value >= 0 && value <= 1, {
    error: ({ input }) => `must be a number from 0 (even weights) to 1 (even activations). ${given(input)}`,
  })
  .pipe(z.number())
  .prefault(0.5);

const step = z
  .discriminatedUnion(
    'kind',
    [
      z.strictObject({ kind: z.literal('awq'), ...common }),
      z.strictObject({ kind: z.literal('smooth'), strength, ...common }),
    ],
    { error: ({ input }) => `must have "kind": "awq" or "kind": "smooth". ${given(input)}` },
  )
  .transform((parsed): ScalingStep => ({ ...parsed, statistics: parsed.statistics }));

/** More would only undo one another; and their names must fit into a file's metadata. */
const stepsMax = 4;

/** The steps of a recipe that move scales, in order. */
export const scalingSteps = z.array(step).max(stepsMax, `may have ${stepsMax} entries at most`).default([]);
