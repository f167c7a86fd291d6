// Copies between the native cache and host memory as data: what a plan wants copied, and what is under way beside steps.

import type { CacheSeqId } from '../ids.ts';
import type { ParkedState } from '../kernel-port.ts';
import type { HostMatch } from '../kv/host-prefixes.ts';
import type { ContentHolds, HeldContent } from '../kv/types.ts';
import type { Sequence } from './sequence.ts';

/** A sequence's native state to copy to host memory before the cache operations of the same plan are performed, or beside steps. */
export interface Park {
  readonly sequence: Sequence;
  readonly seq: CacheSeqId;
  readonly tokenCount: number;
}

/** Content on its way to host memory. */
export interface Departure {
  readonly kind: 'departure';
  readonly held: HeldContent;
  /** Of a sequence that was preempted; undefined: a prefix that nobody has. */
  readonly park: Park | undefined;
}

/** Content on its way back. */
export interface Arrival {
  readonly kind: 'arrival';
  readonly held: HeldContent;
  readonly state: ParkedState;
  /** Of what is copied. */
  readonly bytes: number;
  /** The prefix that it is of; undefined: the sequence's own, which was parked. */
  readonly match: HostMatch<ParkedState> | undefined;
  /** Who waits for it, and may be gone by its end. */
  readonly sequence: Sequence;
}

export type BesideCopy = Departure | Arrival;

export interface BesideCopies {
  readonly holds: ContentHolds;
  /** From the plan that starts them until they have ended. */
  readonly underWay: Set<BesideCopy>;
}
