// The capacity plan: how many blocks the KV cache gets, from the model's shape, the number formats and the memory there is.
// Why before anything is allocated: a context that does not fit ends in an out-of-memory abort minutes later, or in a
// silently shorter context; here it is refused at once, with the arithmetic shown and a size that would fit.

import { formatBytes, formatCount } from '../format.ts';
import type { KvLayout } from '../kernel-port.ts';
import { type KvTypes, kvTypeBytes } from '../kv-types.ts';
import { positiveInteger } from './sizes.ts';

export interface KvShape {
  /** Layers that keep K and V. */
  readonly layerCount: number;
  /** Values of K, and of V, for one token in one layer: KV heads * head size. */
  readonly embeddingK: number;
  readonly embeddingV: number;
  readonly contextTokensTrained: number;
}

export interface CapacityRequest {
  readonly shape: KvShape;
  readonly types: KvTypes;
  readonly weightBytes: number;
  /** LoRA adapters, which stay beside the weights; undefined means none. */
  readonly adapters?: { readonly bytes: number; readonly names: readonly string[] } | undefined;
  /** Compute buffers: so much in any case, and so much more for each cell (the mask of who sees whom). */
  readonly computeBytes: number;
  readonly computeBytesPerCell: number;
  /** Memory that weights, compute buffers and KV together may take; undefined when the device does not tell. */
  readonly availableBytes: number | undefined;
  /** What else takes its share beside them; undefined means nothing. */
  readonly reserved?: readonly ReservedRow[] | undefined;
  /** What takes up to so many bytes where there is room, and gives way to a cache whose size was asked for. */
  readonly flexible?: readonly CapacityRow[] | undefined;
  readonly layout: KvLayout;
  readonly blockTokens: number;
  /** Sequences that run at once; in the per-sequence layout each of them has a slab. */
  readonly sequencesMax: number;
  /** What the operator asks for; undefined leaves it to the plan. At most one of `blockCount` and `kvBytes`. */
  readonly wishes: {
    readonly blockCount: number | undefined;
    readonly kvBytes: number | undefined;
    /** Longest sequence. */
    readonly contextTokens: number | undefined;
  };
}

export interface CapacityRow {
  readonly part: string;
  readonly bytes: number;
  readonly detail: string;
}

export interface ReservedRow extends CapacityRow {
  /** The flag that asked for so much; undefined where it is no matter of choice. */
  readonly flag?: string | undefined;
}

export interface PlannedCapacity {
  readonly kind: 'planned';
  readonly kvBytesPerToken: number;
  readonly blockCount: number;
  /** Cells of the native context: a multiple of 256, in the per-sequence layout a multiple of it per slab. */
  readonly cellCount: number;
  /** Cells that one sequence can use at most: the slab, or the whole pool. */
  readonly slabTokens: number;
  /** Longest sequence, prompt and output together. */
  readonly contextTokensMax: number;
  readonly kvBytes: number;
  /** What each flexible part gets, in their order. */
  readonly flexibleBytes: readonly number[];
  /** The table to print: weights, adapters if there are any, compute buffers, KV cache, what is beside them. */
  readonly rows: readonly CapacityRow[];
}

export type CapacityPlan = PlannedCapacity | { readonly kind: 'refused'; readonly message: string };

/** llama.cpp pads the cells of each stream to this. */
const cellsPadding = 256;
/** A request of ordinary length: without a wish there is room for this many tokens of each sequence that may run. */
const ordinaryTokens = 2048;
/** Without a wish a slab is no longer than this: every slab takes its memory whether it is used or not. */
const slabTokensDefaultMax = 8192;
/** Share of the memory left that a plan without a wish takes. */
const memoryShare = 0.9;
/** And of what is left beside weights and buffers no flexible part gets more than this. */
export const flexibleShare = 0.1;

/** Sizes the KV cache or says, with the arithmetic, why it cannot be. Throws a RangeError on a wish that is no size. */
export function planCapacity(request: CapacityRequest): CapacityPlan {
  const { wishes, blockTokens } = request;
  positiveInteger('block tokens', blockTokens);
  positiveInteger('sequences max', request.sequencesMax);
  for (const [name, wish] of Object.entries(wishes)) if (wish !== undefined) positiveInteger(name, wish);
  const cellCount = cellsFor(request);
  const kvBytesPerToken = cellBytes(request);
  if (cellCount < cellStep(request)) return refuseTooLittle(request);
  const kvBytes = cellCount * kvBytesPerToken;
  const { availableBytes } = request;
  const totalBytes = fixedBytes(request) + computeBytesOf(request, cellCount) + kvBytes;
  if (availableBytes !== undefined && totalBytes > availableBytes) return refuseMemory(request, cellCount);

  const slabTokens = request.layout === 'pooled' ? cellCount : cellCount / request.sequencesMax;
  const slabBlocks = Math.floor(slabTokens / blockTokens);
  if (slabBlocks === 0) return refuse(`block tokens must be <= ${formatCount(slabTokens)}. Given: ${blockTokens}`);
  const blockCount =
    request.layout === 'pooled' ? (wishes.blockCount ?? slabBlocks) : slabBlocks * request.sequencesMax;
  const sequenceTokens = Math.min(slabBlocks, blockCount) * blockTokens;
  if (wishes.contextTokens !== undefined && wishes.contextTokens > sequenceTokens) {
    return refuseContext(request, { wished: wishes.contextTokens, sequenceTokens, cellCount });
  }
  const contextTokensMax = Math.min(wishes.contextTokens ?? request.shape.contextTokensTrained, sequenceTokens);
  const flexibleBytes = grantedBytes(request, (availableBytes ?? Number.POSITIVE_INFINITY) - totalBytes);
  const sizes = { kvBytesPerToken, blockCount, cellCount, slabTokens, contextTokensMax, kvBytes, flexibleBytes };
  return { kind: 'planned', ...sizes, rows: tableRows(request, sizes) };
}

/** Bytes that K and V of one token take in all layers. */
export function bytesPerToken(shape: Omit<KvShape, 'contextTokensTrained'>, types: KvTypes): number {
  return shape.layerCount * (kvTypeBytes(types.k, shape.embeddingK) + kvTypeBytes(types.v, shape.embeddingV));
}

function cellBytes({ shape, types }: CapacityRequest): number {
  return bytesPerToken(shape, types);
}

function computeBytesOf({ computeBytes, computeBytesPerCell }: CapacityRequest, cellCount: number): number {
  return Math.round(computeBytes + computeBytesPerCell * cellCount);
}

/** Cell counts are multiples of this. */
function cellStep({ layout, sequencesMax }: CapacityRequest): number {
  return layout === 'pooled' ? cellsPadding : cellsPadding * sequencesMax;
}

/** Cells as wished, else as many as are ordinarily of use and fit. May not fit when wished. */
function cellsFor(request: CapacityRequest): number {
  const { wishes, shape, sequencesMax } = request;
  const step = cellStep(request);
  const roundUp = (cells: number) => Math.ceil(cells / step) * step;
  if (wishes.blockCount !== undefined) return roundUp(wishes.blockCount * request.blockTokens);
  if (wishes.kvBytes !== undefined) return cellsWithin(request, wishes.kvBytes, cellBytes(request));
  // Whole blocks hold it.
  const wished = wishes.contextTokens && Math.ceil(wishes.contextTokens / request.blockTokens) * request.blockTokens;
  const context = wished ?? shape.contextTokensTrained;
  if (request.layout === 'per-sequence') {
    const slabTokens = wished ?? Math.min(context, slabTokensDefaultMax);
    const wanted = roundUp(Math.ceil(slabTokens / cellsPadding) * cellsPadding * sequencesMax);
    return wished === undefined ? Math.min(wanted, fittingCells(request)) : wanted;
  }
  const wanted = roundUp(Math.max(context, sequencesMax * Math.min(context, ordinaryTokens)));
  const fitting = Math.min(wanted, fittingCells(request));
  return wished === undefined ? fitting : Math.max(fitting, roundUp(wished));
}

/** The most cells that take no more than `bytes`; each takes its K and V, and its share of the compute buffers. */
function cellsWithin(
  request: CapacityRequest,
  bytes: number,
  bytesPerCell = cellBytes(request) + request.computeBytesPerCell,
): number {
  const step = cellStep(request);
  return Math.max(Math.floor(bytes / (bytesPerCell * step)), 0) * step;
}

/** The most cells that a plan without a wish takes: a share of the memory left, but the least cache if only that fits. */
function fittingCells(request: CapacityRequest): number {
  const left = leftBytes(request);
  const leftBeside = left - wantedBytes(request).reduce((sum, bytes) => sum + bytes, 0);
  return Math.max(
    cellsWithin(request, leftBeside * memoryShare),
    Math.min(cellsWithin(request, left), cellStep(request)),
  );
}

/** What flexible parts are to get beside a cache without a wish. */
function wantedBytes(request: CapacityRequest): number[] {
  const most = Math.max(0, leftBytes(request) * flexibleShare);
  return (request.flexible ?? []).map(({ bytes }) => Math.floor(Math.min(bytes, most)));
}

/** What they get of the memory that all the rest leaves. */
function grantedBytes(request: CapacityRequest, restBytes: number): number[] {
  const wanted = wantedBytes(request);
  return wanted.map((bytes) => Math.floor(Math.min(bytes, (restBytes * memoryShare) / wanted.length)));
}

function leftBytes(request: CapacityRequest): number {
  return (request.availableBytes ?? Number.POSITIVE_INFINITY) - fixedBytes(request) - request.computeBytes;
}

/** What is there whatever the size of the cache. */
function fixedBytes({ weightBytes, adapters, reserved = [] }: CapacityRequest): number {
  return weightBytes + (adapters?.bytes ?? 0) + reserved.reduce((sum, { bytes }) => sum + bytes, 0);
}

function tableRows(
  request: CapacityRequest,
  sizes: Omit<PlannedCapacity, 'kind' | 'contextTokensMax' | 'rows'>,
): CapacityRow[] {
  const { layout, sequencesMax, blockTokens, types, adapters } = request;
  const slabs = `${formatCount(sequencesMax)} slabs of ${formatCount(sizes.slabTokens)} tokens, `;
  const detail =
    `${formatCount(sizes.blockCount)} blocks of ${blockTokens} tokens, ${layout === 'pooled' ? '' : slabs}` +
    `${formatBytes(sizes.kvBytesPerToken)} a token (${types.k}:${types.v})`;
  return [
    { part: 'weights', bytes: request.weightBytes, detail: '' },
    ...(adapters === undefined ? [] : [{ part: 'adapters', bytes: adapters.bytes, detail: adapters.names.join(', ') }]),
    { part: 'compute buffers', bytes: computeBytesOf(request, sizes.cellCount), detail: '' },
    { part: 'KV cache', bytes: sizes.kvBytes, detail },
    ...(request.reserved ?? []).map(({ part, bytes, detail: how }) => ({ part, bytes, detail: how })),
    ...(request.flexible ?? []).map((row, index) => ({ ...row, bytes: sizes.flexibleBytes[index] ?? 0 })),
  ];
}

function refuse(message: string): CapacityPlan {
  return { kind: 'refused', message };
}

/** Not even the least cache fits, into the memory or into what was allowed for it. */
function refuseTooLittle(request: CapacityRequest): CapacityPlan {
  const leastBytes = cellStep(request) * cellBytes(request);
  const { kvBytes } = request.wishes;
  if (kvBytes === undefined) return refuseMemory(request, cellStep(request));
  return refuse(
    `KV memory must be >= ${formatBytes(leastBytes)} (${formatCount(cellStep(request))} tokens of ` +
      `${formatBytes(cellBytes(request))}). Given: ${formatBytes(kvBytes)}`,
  );
}

/** "weights 7.9 GiB + compute 0.5 GiB + KV 4.0 GiB = 12.4 GiB > 8.0 GiB available; ..." */
function refuseMemory(request: CapacityRequest, cellCount: number): CapacityPlan {
  const { weightBytes, adapters, types, reserved = [], availableBytes = 0 } = request;
  const kvBytes = cellCount * cellBytes(request);
  const computeBytes = computeBytesOf(request, cellCount);
  const sum = fixedBytes(request) + computeBytes + kvBytes;
  const beside = [...(adapters === undefined ? [] : [{ part: 'adapters', bytes: adapters.bytes }]), ...reserved]
    .map(({ part, bytes }) => ` + ${part} ${formatBytes(bytes)}`)
    .join('');
  const arithmetic =
    `weights ${formatBytes(weightBytes)} + compute ${formatBytes(computeBytes)} + KV ${formatBytes(kvBytes)}${beside} = ` +
    `${formatBytes(sum)} > ${formatBytes(availableBytes)} available`;
  const kv = `KV is ${formatCount(cellCount)} tokens of ${formatBytes(cellBytes(request))} (${types.k}:${types.v})`;
  return refuse(`${arithmetic}; ${kv}; ${adviceFor(request, kvBytes + computeBytes)}`);
}

/** `cacheBytes`: of the cache that was asked for, its compute buffers included. */
function adviceFor(request: CapacityRequest, cacheBytes: number): string {
  const fitting = cellsWithin(request, leftBytes(request));
  const less = lessReserved(request, cacheBytes);
  if (fitting > 0) {
    const blocks = Math.floor(fitting / request.blockTokens);
    const fits = `at most --kv-blocks ${blocks} (${formatCount(fitting)} tokens) fit`;
    return less === undefined ? fits : `${fits}, or ${less}`;
  }
  if (less !== undefined) return less;
  const missing = cellStep(request) * (cellBytes(request) + request.computeBytesPerCell) - leftBytes(request);
  const beside = request.reserved === undefined || request.reserved.length === 0 ? 'the weights' : 'all that';
  return `no cache fits beside ${beside}: ${formatBytes(missing)} are missing for ${formatCount(cellStep(request))} tokens`;
}

/** What flags that reserve memory may ask for beside the cache; undefined where less of it would not do. */
function lessReserved(request: CapacityRequest, cacheBytes: number): string | undefined {
  const { reserved = [], availableBytes = 0 } = request;
  const asked = reserved.filter(({ flag, bytes }) => flag !== undefined && bytes > 0);
  const askedBytes = asked.reduce((sum, { bytes }) => sum + bytes, 0);
  const room = availableBytes - (fixedBytes(request) - askedBytes) - cacheBytes;
  if (asked.length === 0 || room < 0) return undefined;
  const flags = asked.map(({ flag }) => flag).join(' and ');
  return `${flags} of at most ${formatBytes(room)}${asked.length > 1 ? ' together' : ''}. Given: ${formatBytes(askedBytes)}`;
}

function refuseContext(
  request: CapacityRequest,
  found: { wished: number; sequenceTokens: number; cellCount: number },
): CapacityPlan {
  const { layout, sequencesMax } = request;
  const where =
    layout === 'pooled'
      ? 'the whole cache holds'
      : `each of ${formatCount(sequencesMax)} slabs of the cache (${formatCount(found.cellCount)} tokens) holds`;
  return refuse(
    `context must be <= ${formatCount(found.sequenceTokens)} tokens: ${where} no more. Given: ${formatCount(found.wished)}`,
  );
}
