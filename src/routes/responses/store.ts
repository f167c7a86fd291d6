// Responses that are kept for later requests: bounded in number, bytes and age; the least recently used goes first.
// Why each entry has its whole conversation: a response must stay usable when the one before it was dropped. Entries of a
// conversation share its items, and what is shared counts once.
// Pure: time arrives as an argument.

import type { Item } from './items.ts';

export interface StoreLimits {
  /** Responses; 0 keeps none. */
  readonly responsesMax: number;
  /** Of their JSON text, and of what it takes to name the items of each. */
  readonly bytesMax: number;
  readonly ageMsMax: number;
}

export interface StoredResponse {
  readonly id: string;
  /** Whose it is: nobody else is told that it exists. */
  readonly owner: string;
  /** The answer's body, as it was sent. */
  readonly body: object;
  /** What the answer was made from, then what was answered. */
  readonly items: readonly Item[];
  readonly inputCount: number;
}

export interface ResponseStore {
  readonly limits: StoreLimits;
  readonly count: number;
  readonly bytes: number;
  /** Keeps a response, at the cost of older ones; one that is larger than the store by itself is not kept. O(items). */
  keep(response: StoredResponse, nowMs: number): void;
  /** The response, which counts as used now. */
  find(id: string, owner: string, nowMs: number): StoredResponse | undefined;
  /** An item of any kept response. */
  findItem(id: string, owner: string, nowMs: number): Item | undefined;
  /** Whether there was one. */
  remove(id: string, owner: string, nowMs: number): boolean;
  /** Drops what is too old. */
  expire(nowMs: number): void;
}

/** A long conversation is named item by item in each of its responses. */
const nameBytes = 8;

interface Entry {
  readonly response: StoredResponse;
  /** Of the body, and of the items' names. */
  readonly ownBytes: number;
  readonly keptMs: number;
}

interface HeldItem {
  readonly bytes: number;
  holderCount: number;
}

interface StoreState {
  readonly limits: StoreLimits;
  /** From the least to the most recently used. */
  readonly byUse: Map<string, Entry>;
  /** From the oldest to the newest. */
  readonly byAge: Map<string, Entry>;
  readonly held: Map<Item, HeldItem>;
  readonly itemsById: Map<string, Item>;
  bytes: number;
}

export function createResponseStore(limits: StoreLimits): ResponseStore {
  const state: StoreState = {
    limits,
    byUse: new Map(),
    byAge: new Map(),
    held: new Map(),
    itemsById: new Map(),
    bytes: 0,
  };
  const find = (id: string, owner: string, nowMs: number): Entry | undefined => {
    expire(state, nowMs);
    const entry = state.byUse.get(id);
    return entry?.response.owner === owner ? entry : undefined;
  };
  return {
    limits,
    get count() {
      return state.byUse.size;
    },
    get bytes() {
      return state.bytes;
    },
    keep(response, nowMs) {
      expire(state, nowMs);
      if (limits.responsesMax > 0) keep(state, response, nowMs);
    },
    find(id, owner, nowMs) {
      const entry = find(id, owner, nowMs);
      if (entry !== undefined) use(state, id, entry);
      return entry?.response;
    },
    findItem(id, owner, nowMs) {
      expire(state, nowMs);
      return state.itemsById.get(itemKey(owner, id));
    },
    remove(id, owner, nowMs) {
      const entry = find(id, owner, nowMs);
      if (entry !== undefined) drop(state, entry);
      return entry !== undefined;
    },
    expire: (nowMs) => expire(state, nowMs),
  };
}

function keep(state: StoreState, response: StoredResponse, nowMs: number): void {
  const { limits, byUse, byAge } = state;
  const ownBytes = jsonBytes(response.body) + response.items.length * nameBytes;
  const entry: Entry = { response, ownBytes, keptMs: nowMs };
  hold(state, entry);
  if (bytesOf(state, entry) > limits.bytesMax) {
    drop(state, entry);
    return;
  }
  byUse.set(response.id, entry);
  byAge.set(response.id, entry);
  for (const oldest of byUse.values()) {
    if (byUse.size <= limits.responsesMax && state.bytes <= limits.bytesMax) return;
    drop(state, oldest);
  }
}

/** Alone, with nothing shared. */
function bytesOf({ held }: StoreState, { response: { items }, ownBytes }: Entry): number {
  return items.reduce((sum, item) => sum + (held.get(item)?.bytes ?? 0), ownBytes);
}

function use({ byUse }: StoreState, id: string, entry: Entry): void {
  byUse.delete(id);
  byUse.set(id, entry);
}

function expire(state: StoreState, nowMs: number): void {
  for (const entry of state.byAge.values()) {
    if (nowMs - entry.keptMs < state.limits.ageMsMax) return;
    drop(state, entry);
  }
}

function hold(state: StoreState, { response: { items, owner }, ownBytes }: Entry): void {
  state.bytes += ownBytes;
  for (const item of items) {
    const known = state.held.get(item);
    if (known !== undefined) {
      known.holderCount += 1;
      continue;
    }
    const bytes = jsonBytes(item);
    state.held.set(item, { bytes, holderCount: 1 });
    state.itemsById.set(itemKey(owner, item.id), item);
    state.bytes += bytes;
  }
}

function drop(state: StoreState, { response: { id, items, owner }, ownBytes }: Entry): void {
  state.byUse.delete(id);
  state.byAge.delete(id);
  state.bytes -= ownBytes;
  for (const item of items) {
    const known = state.held.get(item);
    if (known === undefined) continue;
    known.holderCount -= 1;
    if (known.holderCount > 0) continue;
    state.held.delete(item);
    state.bytes -= known.bytes;
    const key = itemKey(owner, item.id);
    if (state.itemsById.get(key) === item) state.itemsById.delete(key);
  }
}

function itemKey(owner: string, id: string): string {
  return `${owner}\n${id}`;
}

function jsonBytes(value: object): number {
  return Buffer.byteLength(JSON.stringify(value));
}
