// Health: what a load balancer, an orchestrator and a person ask.

import { assertNever } from '../assert.ts';
import type { EngineStatus } from '../ports.ts';

export interface Readiness {
  readonly isReady: boolean;
  readonly body: Readonly<Record<string, string | number>>;
}

/** Ready means: a request sent now would be worked on. */
export function readinessOf(status: EngineStatus): Readiness {
  switch (status.kind) {
    case 'ready':
      return { isReady: true, body: { status: 'ready' } };
    case 'loading':
      return { isReady: false, body: { status: 'loading', progress: status.fraction } };
    case 'restarting':
      return { isReady: false, body: { status: 'restarting', attempt: status.attempt } };
    case 'draining':
    case 'stopped':
      return { isReady: false, body: { status: status.kind } };
    default:
      return assertNever(status);
  }
}
