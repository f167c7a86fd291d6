// The steps before formats that `octet recommend --steps` knows.

export const stepNames = ['smooth', 'awq'] as const;
export type StepName = (typeof stepNames)[number];

/** `auto`: all that the model allows. */
export type StepsWish = { readonly kind: 'auto' } | { readonly kind: 'named'; readonly names: readonly StepName[] };
