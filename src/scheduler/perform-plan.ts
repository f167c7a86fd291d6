// What a plan wants from the native cache, performed: states read, prefixes copied, ends cut off, states written back.

import { assertNever } from '../assert.ts';
import type { Kernel } from '../kernel-port.ts';
import type { KvCache } from '../kv/types.ts';
import type { CopyLane } from './copy-lane.ts';
import type { Demotion } from './host-copies.ts';
import type { Scheduler } from './scheduler.ts';
import type { Restore, StepPlan } from './step-plan.ts';

export interface PerformPorts {
  readonly scheduler: Scheduler;
  readonly cache: KvCache;
  readonly kernel: Kernel;
  /** Undefined where copies are made between steps alone. */
  readonly copies?: Pick<CopyLane, 'start'> | undefined;
  /** Milliseconds of a monotonic clock. */
  readonly now: () => number;
}

/**
 * Everything a plan wants from the native cache before its batch: parks read, operations change, copies beside the step start, restores
 * write. Answers the milliseconds that copies to and from host memory took.
 */
export function performPlan(ports: PerformPorts, plan: StepPlan): number {
  const { kernel, scheduler, now } = ports;
  let copyMs = 0;
  for (const park of plan.parks) {
    const startedMs = now();
    const parkedState = kernel.park(park.seq, park.tokenCount);
    const elapsedMs = now() - startedMs;
    scheduler.parked(park, parkedState, elapsedMs);
    copyMs += elapsedMs;
  }
  copyMs += performOps(ports);
  copyMs += startBeside(ports, plan);
  for (const restore of [...plan.restores]) {
    const startedMs = now();
    const ok = writeBack(kernel, restore);
    const elapsedMs = now() - startedMs;
    scheduler.restored(plan, restore.sequence, { ok, elapsedMs });
    copyMs += elapsedMs;
    if (!ok) copyMs += performOps(ports);
  }
  forgetGivenUp(ports);
  return copyMs;
}

/** To begin a copy takes time as well, and where the CPU computes, all of the copy's. */
function startBeside({ copies, now }: PerformPorts, { besideCopies }: StepPlan): number {
  if (copies === undefined || besideCopies.length === 0) return 0;
  const startedMs = now();
  copies.start(besideCopies);
  return now() - startedMs;
}

/** Gives the memory of states that nobody wants any more back to the kernel. Never between planning and performing. */
export function forgetGivenUp({ scheduler, kernel }: PerformPorts): void {
  for (const state of scheduler.takeGivenUp()) kernel.forget(state);
}

/** Copies what a sequence has in host memory: its own state, or of a prefix as much as it begins with. */
function writeBack(kernel: Kernel, { seq, sequence: { filling, parked } }: Restore): boolean {
  if (filling !== undefined) return kernel.fill(seq, { ...filling.prefix.state, tokenCount: filling.count });
  return parked !== undefined && kernel.restore(seq, parked);
}

/** The cache's own operations; answers the milliseconds that copies to host memory took. */
export function performOps(ports: PerformPorts): number {
  const { cache, kernel } = ports;
  let copyMs = 0;
  for (const op of cache.takeOps()) {
    switch (op.kind) {
      case 'copy':
        kernel.copyPrefix(op.from, op.to, op.tokenCount);
        break;
      case 'move':
        kernel.move(op.from, op.to);
        break;
      case 'truncate':
        kernel.truncate(op.seq, op.fromPosition);
        break;
      case 'demote':
        copyMs += demote(ports, op);
        break;
      default:
        assertNever(op);
    }
  }
  return copyMs;
}

function demote({ kernel, scheduler, now }: PerformPorts, demotion: Demotion): number {
  if (!scheduler.keepsDemoted(demotion)) return 0;
  const startedMs = now();
  const copied = kernel.park(demotion.seq, demotion.tokenCount);
  const elapsedMs = now() - startedMs;
  scheduler.demoted(demotion, { copied, elapsedMs });
  return elapsedMs;
}
