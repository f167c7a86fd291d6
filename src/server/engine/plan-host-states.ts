// Host memory for what is copied out of the cache: parked sequences, and prefixes that made room.
// Why in the plan though it fills only by and by: where the cache is in the same memory, both together must fit it, or the
// process is killed in some busy hour, long after its start.

import type { MemoryPlan } from '../../capacity-port.ts';
import { formatBytes } from '../../format.ts';
import { type CapacityRow, flexibleShare, type ReservedRow } from '../../kv/capacity.ts';
import { hostRoom } from '../../llama/memory.ts';
import type { LlamaModel } from '../../llama/model.ts';
import { prefixSharing } from '../../llama/model-shape.ts';
import type { EngineConfiguration } from './engine-configuration.ts';

export interface HostStates {
  readonly parkBytesMax: number;
  readonly prefixBytesMax: number;
  /** For memory of states that were given up, which the next ones are written to, as is what states leave of the rest. */
  readonly spareBytesMax: number;
}

/** What they may take: of a size that was asked for, and of one that gives way. */
export interface StateRows {
  readonly reserved: readonly ReservedRow[];
  readonly flexible: readonly CapacityRow[];
}

/** Without a wish each gets as much where there is room. */
const bytesDefault = 2 ** 30;
/** Of what was planned for both. */
const spareShare = 1 / 8;
const parkPart = 'park memory';
const prefixPart = 'prefix memory';

export type StateWishes = Pick<EngineConfiguration, 'parkBytesMax' | 'prefixBytesMax' | 'preemption'>;

/** Nothing for what never happens: parking where all is recomputed, prefixes of a model that shares none. */
export function stateRows(
  { parkBytesMax, prefixBytesMax, preemption }: StateWishes,
  sharesPrefixes: boolean,
): StateRows {
  const parts = [
    {
      part: parkPart,
      flag: '--park-memory',
      wish: preemption === 'recompute' ? 0 : parkBytesMax,
      detail: 'at most, for preempted sequences',
    },
    {
      part: prefixPart,
      flag: '--prefix-memory',
      wish: sharesPrefixes ? prefixBytesMax : 0,
      detail: 'at most, for prefixes that made room',
    },
  ].filter(({ wish }) => wish !== 0);
  const reserved = parts.flatMap(({ part, flag, wish, detail }) =>
    wish === 'auto' ? [] : [{ part, bytes: wish, detail, flag }],
  );
  const flexible = parts.filter(({ wish }) => wish === 'auto');
  return { reserved, flexible: flexible.map(({ part, detail }) => ({ part, bytes: bytesDefault, detail })) };
}

/** What the rows of a plan leave to each. */
export function statesIn(rows: readonly CapacityRow[]): HostStates {
  const bytesOf = (name: string) => rows.find(({ part }) => part === name)?.bytes ?? 0;
  const [parkBytes, prefixBytes] = [bytesOf(parkPart), bytesOf(prefixPart)];
  const ownOf = (bytes: number) => Math.ceil(bytes * (1 - spareShare));
  const [parkBytesMax, prefixBytesMax] = [ownOf(parkBytes), ownOf(prefixBytes)];
  return { parkBytesMax, prefixBytesMax, spareBytesMax: parkBytes + prefixBytes - parkBytesMax - prefixBytesMax };
}

/**
 * Their plan where the cache is in another memory. `freeBytes` undefined: of a host that nothing is known of. Throws an Error
 * for the operator where what was asked for does not fit.
 */
export function planHostMemory({ reserved, flexible }: StateRows, freeBytes: number | undefined): MemoryPlan {
  const asked = reserved.reduce((sum, { bytes }) => sum + bytes, 0);
  const left = (freeBytes ?? Number.POSITIVE_INFINITY) - asked;
  if (left < 0) {
    const sum = reserved.map(({ part, bytes }) => `${part} ${formatBytes(bytes)}`).join(' + ');
    throw new Error(
      `${sum} must be <= ${formatBytes(freeBytes ?? 0)}, the host memory that is free. Given: ${formatBytes(asked)}`,
    );
  }
  const granted = flexible.map((row) => ({ ...row, bytes: Math.floor(Math.min(row.bytes, left * flexibleShare)) }));
  const kept = reserved.map(({ part, bytes, detail }) => ({ part, bytes, detail }));
  return { device: 'the host', rows: [...kept, ...granted], availableBytes: freeBytes };
}

export interface PlannedStates {
  /** What the plan of the cache has to leave room for. */
  readonly beside: StateRows;
  /** The plan of a host whose memory the cache is not in. */
  readonly hostMemory: MemoryPlan | undefined;
}

/** `knowsHost`: it is this machine that is planned for. */
export function planHostStates(
  configuration: StateWishes,
  { shape, libraries }: LlamaModel,
  knowsHost: boolean,
): PlannedStates {
  const rows = stateRows(configuration, prefixSharing(shape).kind === 'blocks');
  if (libraries.gpu === 'off') return { beside: rows, hostMemory: undefined };
  const hostMemory = planHostMemory(rows, knowsHost ? hostRoom().freeBytes : undefined);
  return { beside: { reserved: [], flexible: [] }, hostMemory };
}
