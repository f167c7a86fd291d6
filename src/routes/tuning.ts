// GET /v1/octet/tuning: which tuned values are in use, and what they were found to gain.

import type { TuningStatus } from '../tuning-status.ts';

export function tuningBody(model: string, status: TuningStatus) {
  if (status.kind === 'off') return { object: 'octet.tuning', model, tuned: false };
  return {
    object: 'octet.tuning',
    model,
    tuned: true,
    at: status.at,
    settings: status.settings,
    overridden: status.overridden,
    loads: status.loads.map(({ name, defaultMs, ratio }) => ({ name, default_ms: defaultMs, ratio: ratio ?? null })),
  };
}
