// One copy after another, in the order in which they were asked for.
// Why one at a time: Node has four threads for native calls, and a decode needs one of them at any time.

export interface CopyQueue {
  /** Runs `copy` when those before it have ended. */
  add<T>(copy: () => Promise<T>): Promise<T>;
  /** From then on copies should end as soon as they can. Undefined where none is under way. */
  close(): Promise<void> | undefined;
  isClosed(): boolean;
}

export function createCopyQueue(): CopyQueue {
  let last: Promise<unknown> = Promise.resolve();
  let count = 0;
  let closed = false;
  return {
    add(copy) {
      count += 1;
      const result = last.then(copy);
      const ended = () => {
        count -= 1;
      };
      last = result.then(ended, ended);
      return result;
    },
    close() {
      closed = true;
      return count === 0 ? undefined : last.then(() => undefined);
    },
    isClosed: () => closed,
  };
}
