// Compiles grammars that nobody has compiled yet, with a time limit, where it disturbs no sequence.
// Why two lanes: while one grammar takes seconds, others that compile at once must not wait behind it.

import type { GrammarSpec } from '../grammar-port.ts';
import type { GrammarInstance } from './threads/instance.ts';

export type Trial =
  | { readonly kind: 'quick' }
  /** It stays where it was compiled: the instance is the caller's now. */
  | { readonly kind: 'slow'; readonly instance: GrammarInstance }
  /** `late`: it takes too long. */
  | { readonly kind: 'refused' | 'late'; readonly reason: string };

export interface Trials {
  run(id: number, spec: GrammarSpec, quickMs: number): Promise<Trial>;
  dispose(): void;
}

interface Lane {
  instance: GrammarInstance | undefined;
  waiting: number;
  tail: Promise<unknown>;
}

const laneCount = 2;

export function createTrials({
  createInstance,
  timeoutMs,
}: {
  readonly createInstance: () => GrammarInstance;
  readonly timeoutMs: number;
}): Trials {
  const lanes: readonly Lane[] = Array.from({ length: laneCount }, () => ({
    instance: undefined,
    waiting: 0,
    tail: Promise.resolve(),
  }));

  async function compileIn(
    lane: Lane,
    { id, spec }: { id: number; spec: GrammarSpec },
    quickMs: number,
  ): Promise<Trial> {
    const instance = lane.instance === undefined || lane.instance.isLost ? createInstance() : lane.instance;
    lane.instance = instance;
    // Starting is not the grammar's fault, and does not count.
    await instance.ready;
    const late = `The grammar did not compile within grammarTimeoutMs (${timeoutMs} ms); a smaller one may`;
    const timer = setTimeout(() => instance.end(late), timeoutMs);
    const outcome = await instance.compile(id, spec);
    clearTimeout(timer);
    if (outcome.kind === 'lost') {
      lane.instance = undefined;
      return outcome.reason === late
        ? { kind: 'late', reason: late }
        : { kind: 'refused', reason: `The grammar cannot be compiled: ${outcome.reason}` };
    }
    if (outcome.elapsedMs <= quickMs) {
      instance.forget(id);
      return { kind: 'quick' };
    }
    lane.instance = undefined;
    return { kind: 'slow', instance };
  }

  return {
    run(id, spec, quickMs) {
      const lane = lanes.reduce((best, other) => (other.waiting < best.waiting ? other : best));
      lane.waiting += 1;
      const trial = lane.tail.then(() => compileIn(lane, { id, spec }, quickMs));
      const leave = (): void => {
        lane.waiting -= 1;
      };
      // A trial that could not be made must not keep the next one from being made.
      lane.tail = trial.then(leave, leave);
      return trial;
    },
    dispose() {
      for (const { instance } of lanes) instance?.end('the engine ends');
    },
  };
}
