// What a plan wants from the native cache, performed: parks read, prefixes copied, ends cut off, restores written.

import { assertNever } from '../assert.ts';
import type { Kernel } from '../kernel-port.ts';
import type { KvCache } from '../kv/types.ts';
import type { Scheduler } from './scheduler.ts';
import type { StepPlan } from './step-plan.ts';

export interface PerformPorts {
  readonly scheduler: Scheduler;
  readonly cache: KvCache;
  readonly kernel: Kernel;
  /** Milliseconds of a monotonic clock. */
  readonly now: () => number;
}

/** Everything a plan wants from the native cache before its batch: parks read, operations change, restores write. */
export function performPlan(ports: PerformPorts, plan: StepPlan): void {
  const { kernel, scheduler, now } = ports;
  for (const park of plan.parks) {
    const startedMs = now();
    const parkedState = kernel.park(park.seq, park.tokenCount);
    scheduler.parked(park, parkedState, now() - startedMs);
  }
  performOps(ports);
  for (const restore of [...plan.restores]) {
    const startedMs = now();
    const parkedState = restore.sequence.parked;
    const ok = parkedState !== undefined && kernel.restore(restore.seq, parkedState);
    scheduler.restored(plan, restore.sequence, { ok, elapsedMs: now() - startedMs });
    if (!ok) performOps(ports);
  }
}

/** The cache's own operations. */
export function performOps({ cache, kernel }: PerformPorts): void {
  for (const op of cache.takeOps()) {
    switch (op.kind) {
      case 'copy':
        kernel.copyPrefix(op.from, op.to, op.tokenCount);
        break;
      case 'truncate':
        kernel.truncate(op.seq, op.fromPosition);
        break;
      default:
        assertNever(op);
    }
  }
}
