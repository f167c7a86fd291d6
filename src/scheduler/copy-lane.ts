// The engine loop's copies to and from host memory beside steps: started with a plan, settled between two steps once they have ended.
// Why settled there: the scheduler and the native cache change between steps alone.

import type { CopiesBeside } from '../kernel-port.ts';
import type { BesideCopy } from './copy-types.ts';
import type { Scheduler } from './scheduler.ts';

export interface CopyLanePorts {
  readonly scheduler: Pick<Scheduler, 'departed' | 'arrived'>;
  readonly beside: CopiesBeside;
  /** Milliseconds of a monotonic clock. */
  readonly now: () => number;
  /** A copy has ended. */
  readonly onEnd: () => void;
}

export interface CopyLane {
  /** Starts a plan's copies; the plan's cache operations were performed. */
  start(copies: readonly BesideCopy[]): void;
  /** Tells the scheduler of those that have ended; throws what went wrong with one. */
  settle(): void;
  /** Whether any is under way, or ended and not settled. */
  isBusy(): boolean;
  /** Resolves when none is under way. */
  finished(): Promise<void>;
}

/** What became of a copy: a state of the departing content, or whether all has arrived. */
interface Ended {
  readonly elapsedMs: number;
  readonly tell: (elapsedMs: number) => void;
}

export function createCopyLane({ scheduler, beside, now, onEnd }: CopyLanePorts): CopyLane {
  const ended: Ended[] = [];
  const underWay = new Set<Promise<void>>();
  let lastEndMs = Number.NEGATIVE_INFINITY;
  let failure: { readonly error: unknown } | undefined;

  function begin(copy: BesideCopy): Promise<(elapsedMs: number) => void> {
    if (copy.kind === 'departure') {
      return beside
        .park(copy.held.seq, copy.held.tokenCount)
        .then((copied) => (elapsedMs) => scheduler.departed(copy, { copied, elapsedMs }));
    }
    const arriving = beside.restore(copy.held.seq, { ...copy.state, tokenCount: copy.held.tokenCount });
    const arrived = (ok: boolean) => (elapsedMs: number) => scheduler.arrived(copy, { ok, elapsedMs });
    return arriving === undefined ? Promise.resolve(arrived(false)) : arriving.then(() => arrived(true));
  }

  async function follow(copy: BesideCopy): Promise<void> {
    const askedMs = now();
    try {
      const tell = await begin(copy);
      // A device makes one after another: what a copy took begins with the end of the one before.
      const endMs = now();
      ended.push({ tell, elapsedMs: endMs - Math.max(askedMs, lastEndMs) });
      lastEndMs = endMs;
    } catch (error) {
      failure = { error };
    }
    onEnd();
  }

  return {
    start(copies) {
      for (const copy of copies) {
        const following: Promise<void> = follow(copy).finally(() => underWay.delete(following));
        underWay.add(following);
      }
    },
    settle() {
      if (failure !== undefined) throw failure.error;
      // Nearly every step.
      if (ended.length === 0) return;
      for (const { tell, elapsedMs } of ended.splice(0)) tell(elapsedMs);
    },
    isBusy: () => underWay.size > 0 || ended.length > 0,
    async finished() {
      await Promise.all(underWay);
    },
  };
}
