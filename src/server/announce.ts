// What a server says once its engine is ready: tables and a banner at a terminal, a log line elsewhere.

import type { Logger } from 'pino';
import type { EngineCapacity } from '../capacity-port.ts';
import type { PrecisionStatus } from '../precision-status.ts';
import type { TuningStatus } from '../tuning-status.ts';
import { formatMemoryPlan, formatStartBanner } from './banner.ts';
import { packageVersion } from './package-root.ts';

export interface Announcement {
  readonly capacity: EngineCapacity;
  readonly logger: Logger;
  readonly url: string;
  readonly modelName: string;
  readonly adapterIds: readonly string[];
  readonly needsKey: boolean;
  readonly precision: PrecisionStatus;
  readonly tuning: TuningStatus;
}

export function announce({ logger, ...facts }: Announcement): void {
  const { capacity, url, tuning } = facts;
  // At a terminal the tables below say it better.
  logger[process.stdout.isTTY ? 'debug' : 'info'](
    { capacity, url, ...(tuning.kind === 'off' ? {} : { tuning }) },
    'ready',
  );
  if (!process.stdout.isTTY) return;
  for (const plan of [capacity.memory, capacity.hostMemory])
    if (plan !== undefined && plan.rows.length > 0) process.stdout.write(`\n${formatMemoryPlan(plan)}\n`);
  process.stdout.write(`\n${formatStartBanner({ version: packageVersion(), ...facts })}\n`);
}
