// Lowers rules in threads of its own, with a limit of time.
// Why: a schema of a few hundred characters may take a second, and the thread that answers HTTP has streams to feed.
// Why two threads: one rule that takes all its time must not hold up the next. The second starts when it is needed.

import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { GrammarSpec } from '../grammar-port.ts';
import { threadProgram } from './threads/thread-program.ts';
import type { Lowered, OutputRule } from './types.ts';

const laneCount = 2;
const lowerMsMaxUsual = 5_000;

export interface ElsewhereOptions {
  /** For one rule. */
  readonly lowerMsMax?: number;
}

/** What became of a rule, and whether it would come to the same again. */
interface Outcome {
  readonly lowered: Lowered<GrammarSpec>;
  readonly isLasting: boolean;
}

export type LowerElsewhere = (rule: OutputRule) => Promise<Outcome>;

interface Lane {
  worker: Worker | undefined;
  waitingCount: number;
  tail: Promise<unknown>;
}

export function createLowerElsewhere({ lowerMsMax = lowerMsMaxUsual }: ElsewhereOptions = {}): LowerElsewhere {
  const lanes = Array.from({ length: laneCount }, (): Lane => {
    return { worker: undefined, waitingCount: 0, tail: Promise.resolve() };
  });

  async function lowerIn(lane: Lane, rule: OutputRule): Promise<Outcome> {
    const worker = lane.worker ?? (await startWorker());
    // One that breaks or is late is not used again.
    lane.worker = undefined;
    const outcome = await answerOf(worker, { rule, lowerMsMax });
    if (outcome.isLasting) lane.worker = worker;
    else void worker.terminate();
    return outcome;
  }

  return (rule) => {
    const lane = lanes.reduce((best, other) => (other.waitingCount < best.waitingCount ? other : best));
    lane.waitingCount += 1;
    const lowering = lane.tail
      .then(() => lowerIn(lane, rule))
      .finally(() => {
        lane.waitingCount -= 1;
      });
    // What could not be done must not keep the next from being done.
    lane.tail = lowering.catch(() => undefined);
    return lowering;
  };
}

/** A thread that has loaded its program: starting is no rule's fault, and does not count. */
async function startWorker(): Promise<Worker> {
  const worker = new Worker(threadProgram('lower'));
  // One that was given up may still break: unheard, that would end the process.
  worker.on('error', () => undefined);
  await once(worker, 'message');
  worker.unref();
  return worker;
}

/** The worker's answer, or why there is none: it took too long, or it broke. */
function answerOf(
  worker: Worker,
  { rule, lowerMsMax }: { readonly rule: OutputRule; readonly lowerMsMax: number },
): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const late = `must be read as a grammar within ${lowerMsMax} ms, and took longer; a smaller one may`;
    const timer = setTimeout(() => settle(() => resolve(refused(late))), lowerMsMax);
    const take = (lowered: Lowered<GrammarSpec>): void => settle(() => resolve({ lowered, isLasting: true }));
    const lose = (error: unknown): void => settle(() => reject(error));
    function settle(answer: () => void): void {
      clearTimeout(timer);
      worker.off('message', take);
      worker.off('error', lose);
      answer();
    }
    worker.on('message', take);
    worker.on('error', lose);
    worker.postMessage(rule);
  });
}

function refused(rule: string): Outcome {
  return { lowered: { kind: 'refused', faults: [{ path: [], rule }] }, isLasting: false };
}

/** The server's own. */
export const lowerElsewhere: LowerElsewhere = createLowerElsewhere();
