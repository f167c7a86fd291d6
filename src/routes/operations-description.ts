// GET /health, /livez, /readyz, /version and /metrics, described.

import { healthAnswer, liveAnswer, readinessAnswer, versionAnswer } from './answers/operations.ts';
import { jsonAnswer, type RouteDescription } from './document/types.ts';

const operations = { tag: 'Operations', needsKey: false, errors: ['internal_error'] } as const;

export const healthDescription: RouteDescription = {
  ...operations,
  summary: 'How the server and its engine are',
  answers: jsonAnswer('Always 200 while the server answers.', healthAnswer),
};

export const liveDescription: RouteDescription = {
  ...operations,
  summary: 'Whether the process is alive',
  answers: jsonAnswer('It is.', liveAnswer),
};

export const readyDescription: RouteDescription = {
  ...operations,
  summary: 'Whether a request sent now would be worked on',
  answers: {
    ...jsonAnswer('It would.', readinessAnswer),
    503: { meaning: 'It would not, yet or any more.', bodies: [{ kind: 'json', schema: readinessAnswer }] },
  },
};

export const versionDescription: RouteDescription = {
  ...operations,
  summary: 'Versions of the parts',
  answers: jsonAnswer('Names and versions.', versionAnswer),
};

export const metricsDescription: RouteDescription = {
  ...operations,
  summary: 'Prometheus metrics',
  answers: { 200: { meaning: "Prometheus' text format.", bodies: [{ kind: 'text', mediaType: 'text/plain' }] } },
};
