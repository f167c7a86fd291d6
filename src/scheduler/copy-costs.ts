// What copies between the native cache and host memory take, learned while serving.
// Why the two ways apart: saving writes to memory that is touched for the first time, restoring reads what is there.
// Why time for each byte, not speed: a mean of speeds would believe in the fastest copy long after all have become slow.

export type CopyWay = 'save' | 'restore';

export interface CopyCosts {
  observe(way: CopyWay, bytes: number, ms: number): void;
  /** One beside steps took so long from its start to its end: between them it would have taken no longer. */
  observeMost(way: CopyWay, bytes: number, ms: number): void;
  /** Expected milliseconds. */
  ms(way: CopyWay, bytes: number): number;
  /** A copy was not made because it would take too long. */
  decline(): void;
}

/** Before anything was copied: a modest memory copy (1 GB/s). */
const msPerByteUnmeasured = 1e-6;
/** Weight of the newest copy. */
const newestWeight = 0.3;
/** What is not tried is not measured either: a single slow copy must not be believed for ever. */
const declinedShare = 0.98;

export function createCopyCosts(): CopyCosts {
  const measured = new Map<CopyWay, number>();
  const other = { save: 'restore', restore: 'save' } as const;
  const expected = (way: CopyWay): number => measured.get(way) ?? measured.get(other[way]) ?? msPerByteUnmeasured;
  function observe(way: CopyWay, bytes: number, ms: number): void {
    if (bytes === 0) return;
    const newest = ms / bytes;
    const known = measured.get(way) ?? newest;
    measured.set(way, known + newestWeight * (newest - known));
  }
  return {
    observe,
    observeMost(way, bytes, ms) {
      if (ms < bytes * expected(way)) observe(way, bytes, ms);
    },
    ms: (way, bytes) => bytes * expected(way),
    decline() {
      for (const [way, msPerByte] of measured) measured.set(way, msPerByte * declinedShare);
    },
  };
}
