// A kernel without a model: the next token is a hash of everything the cache says came before.
// Why it catches scheduler faults: it keeps cells with positions and owners as llama.cpp does, refuses what would abort the
// native process, and draws from what the CACHE holds, not from what the caller believes. A wrong share changes the text.

import type { CacheSeqId } from '../../src/ids.ts';
import { tokenId } from '../../src/ids.ts';
import type {
  CopiesBeside,
  DecodeOutcome,
  Kernel,
  KernelLimits,
  ParkedState,
  SampleRow,
  ScoreRow,
} from '../../src/kernel-port.ts';
import type { TokenLogprobs } from '../../src/sampling-params.ts';

interface Cell {
  readonly chain: number;
  readonly owners: Set<number>;
}

export interface FakeKernel extends Kernel {
  usedCells(): number;
  /** States that were parked and not forgotten. */
  keptStates(): number;
  /** The next decodes answer these instead of computing. */
  failNext(outcomes: readonly DecodeOutcome[]): void;
  readonly steps: number;
}

export interface FakeKernelOptions {
  readonly cellCount: number;
  readonly cacheSeqCount: number;
  readonly vocabularySize: number;
  readonly batchTokensMax?: number;
  readonly passTokensMax?: number;
  readonly positionsTrained?: number;
  readonly outputRowsMax?: number;
  readonly endTokens?: readonly number[];
  readonly sharesPrefixes?: boolean;
  readonly layout?: KernelLimits['layout'];
  /** Leaves hidden states, of outputs or of all rows when that is asked. */
  readonly leavesStates?: boolean;
  /** Milliseconds the fake claims a step takes, through `onDecode`. */
  readonly onDecode?: (tokenCount: number) => void | Promise<void>;
  /** Copies beside steps take so many turns of the event loop; undefined: there are none. */
  readonly besideTurns?: (() => number) | undefined;
  /** Whether the next of them cannot be made. */
  readonly besideFails?: (() => boolean) | undefined;
}

/** The hash chain of a token prefix: what a cell of the fake cache stores. */
export function chainOf(previous: number, token: number): number {
  let mixed = Math.imul(previous ^ token, 0x9e3779b1) ^ (previous >>> 15);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0x85ebca6b);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}

/** What an adapter does to each token: under another one the same tokens have other cells. 0 for none. */
export function adapterShift(adapter: string | undefined): number {
  return [...(adapter ?? '')].reduce((chain, letter) => chainOf(chain, letter.charCodeAt(0)), 0);
}

/** What a row leaves for a head: its chain, and what its adapter does to the next one. */
export interface FakeState {
  readonly chain: number;
  readonly shift: number;
}

export const stateWidth = 4;

/** In halves, which floats hold exactly. Shape (stateWidth,). */
export function stateOf({ chain, shift }: FakeState): Float32Array {
  return Float32Array.of(chain >>> 16, chain & 0xffff, shift >>> 16, shift & 0xffff);
}

export function readState([chainHigh = 0, chainLow = 0, shiftHigh = 0, shiftLow = 0]: Float32Array): FakeState {
  return { chain: chainHigh * 65_536 + chainLow, shift: shiftHigh * 65_536 + shiftLow };
}

/** The token that follows a prefix, for a seed: the fake's whole language model. */
export function nextToken(chain: number, seed: number, vocabularySize: number): number {
  return chainOf(chain, seed) % vocabularySize;
}

/** Penalties and limits of a row are taken from its tokens: they must be those that its logits were computed from. */
export function checkTokens({ tokens, tokenCount, batchIndex }: SampleRow, chain: number, shift: number): void {
  const own = tokens.subarray(0, tokenCount).reduce((previous, token) => chainOf(previous ^ shift, token), 0);
  if (tokenCount > 0 && own !== chain) throw new Error(`row ${batchIndex} draws after other tokens than were computed`);
}

/** The token, or the next one that the mask allows; -1 where it allows none. */
function allowedFrom(token: number, mask: Int32Array | undefined, vocabularySize: number): number {
  for (let offset = 0; offset < vocabularySize; offset++) {
    const candidate = (token + offset) % vocabularySize;
    const word = mask === undefined ? -1 : (mask[candidate >> 5] ?? 0);
    if (((word >> (candidate & 31)) & 1) === 1) return candidate;
  }
  return -1;
}

/** What the fake says of a token after a prefix: as good as any function of both. */
export function fakeLogprobs(chain: number, token: number, topCount: number): TokenLogprobs {
  return {
    logprob: -(chainOf(chain, token) % 1000) / 8,
    rank: 1 + (chainOf(chain, token) % 7),
    topTokens: Int32Array.from({ length: topCount }, (_, index) => index),
    topLogprobs: Float32Array.from({ length: topCount }, (_, index) => -(chainOf(chain, index) % 1000) / 8),
  };
}

/** No plan may count on a state that was given up. */
function checkKept({ bytes, tokenCount }: ParkedState): void {
  if (bytes.byteLength === 0 && tokenCount > 0) throw new Error('a forgotten state is wanted back');
}

export function createFakeKernel(options: FakeKernelOptions): FakeKernel {
  const batchTokensMax = options.batchTokensMax ?? 64;
  const outputRowsMax = options.outputRowsMax ?? batchTokensMax;
  const slabCells = Math.floor(options.cellCount / options.cacheSeqCount);
  const perSequence = options.layout === 'per-sequence';
  const sequences: Map<number, Cell>[] = Array.from({ length: options.cacheSeqCount }, () => new Map());
  let used = 0;
  let keptCount = 0;
  let outputChains: number[] = [];
  let states: (Float32Array | undefined)[] = [];
  let takesAll = false;
  let scripted: DecodeOutcome[] = [];
  let steps = 0;
  let busy = false;
  let adapter: string | undefined;
  /** Of a sequence that is copied beside steps: its first so many positions must stay. */
  const staying = new Map<number, number>();
  const arriving = new Set<number>();
  const batch = {
    tokens: new Int32Array(batchTokensMax),
    positions: new Int32Array(batchTokensMax),
    cacheSeqs: new Int32Array(batchTokensMax),
    outputs: new Int8Array(batchTokensMax),
  };

  function cellsOf(seq: number): Map<number, Cell> {
    const cells = sequences[seq];
    if (cells === undefined) throw new Error(`sequence id ${seq} is out of range`);
    if (busy) throw new Error('the cache was touched while a step runs');
    return cells;
  }

  function dropFrom(seq: number, fromPosition: number): void {
    if (fromPosition < (staying.get(seq) ?? 0)) throw new Error(`sequence id ${seq} is cut while it is copied`);
    for (const [position, cell] of [...cellsOf(seq)]) {
      if (position < fromPosition) continue;
      cellsOf(seq).delete(position);
      cell.owners.delete(seq);
      if (cell.owners.size === 0) used -= 1;
    }
  }

  function put(seq: number, position: number, chain: number): void {
    cellsOf(seq).set(position, { chain, owners: new Set([seq]) });
    used += 1;
  }

  function compute(tokenCount: number): DecodeOutcome {
    if (tokenCount > batchTokensMax || tokenCount < 1) throw new Error(`batch of ${tokenCount} would abort`);
    const outputCount = batch.outputs.subarray(0, tokenCount).reduce((sum, output) => sum + output, 0);
    if (outputCount > outputRowsMax) throw new Error(`${outputCount} output rows would abort`);
    const forced = scripted.shift();
    if (forced !== undefined) return forced;
    const room = perSequence ? Number.POSITIVE_INFINITY : options.cellCount - used;
    if (tokenCount > room) return { kind: 'no-room' };
    outputChains = [];
    states = [];
    for (let row = 0; row < tokenCount; row++) {
      const seq = batch.cacheSeqs[row] ?? -1;
      const position = batch.positions[row] ?? -1;
      const cells = cellsOf(seq);
      if (cells.has(position)) throw new Error(`position ${position} of sequence id ${seq} is computed twice`);
      const previous = position === 0 ? 0 : cells.get(position - 1)?.chain;
      if (previous === undefined) throw new Error(`hole before position ${position} of sequence id ${seq}`);
      if (perSequence && position >= slabCells) return { kind: 'no-room' };
      const chain = chainOf(previous ^ adapterShift(adapter), batch.tokens[row] ?? -1);
      put(seq, position, chain);
      if (batch.outputs[row] === 1 && arriving.has(seq))
        throw new Error(`sequence id ${seq} is computed before it is there`);
      if (batch.outputs[row] === 1) outputChains[row] = chain;
      if (takesAll || batch.outputs[row] === 1) states[row] = stateOf({ chain, shift: adapterShift(adapter) });
    }
    takesAll = false;
    return { kind: 'done' };
  }

  /** Holds the first positions of a sequence for as long as its copy takes. */
  async function whileCopied(seq: number, tokenCount: number): Promise<void> {
    if (staying.has(seq)) throw new Error(`sequence id ${seq} is copied twice at once`);
    staying.set(seq, tokenCount);
    for (let turns = options.besideTurns?.() ?? 0; turns > 0; turns--)
      await new Promise((resolve) => setImmediate(resolve));
    staying.delete(seq);
  }

  function stateNow(seq: number, tokenCount: number): ParkedState {
    const chains = new Uint32Array(tokenCount);
    keptCount += 1;
    for (let position = 0; position < tokenCount; position++) {
      const cell = sequences[seq]?.get(position);
      if (cell === undefined) throw new Error(`sequence id ${seq} lacks position ${position} of its copy`);
      chains[position] = cell.chain;
    }
    return { bytes: new Uint8Array(chains.buffer), tokenCount };
  }

  const beside: CopiesBeside = {
    async park(seq, tokenCount) {
      cellsOf(seq);
      if (options.besideFails?.()) return undefined;
      await whileCopied(seq, tokenCount);
      return stateNow(seq, tokenCount);
    },
    restore(seq, state) {
      checkKept(state);
      if (cellsOf(seq).size > 0) throw new Error(`restore into sequence id ${seq}, which is not empty`);
      if (options.besideFails?.()) return undefined;
      const { tokenCount } = state;
      const chains = new Uint32Array(state.bytes.buffer);
      for (let position = 0; position < tokenCount; position++) put(seq, position, chains[position] ?? 0);
      arriving.add(seq);
      return whileCopied(seq, tokenCount).finally(() => arriving.delete(seq));
    },
  };

  return {
    beside: options.besideTurns === undefined ? undefined : beside,
    limits: {
      cellCount: options.cellCount,
      layout: options.layout ?? 'pooled',
      batchTokensMax,
      passTokensMax: options.passTokensMax ?? batchTokensMax,
      positionsTrained: options.positionsTrained ?? options.cellCount,
      outputRowsMax,
      cacheSeqCount: options.cacheSeqCount,
      vocabularySize: options.vocabularySize,
      endTokenIds: (options.endTokens ?? []).map(tokenId),
      sharesPrefixes: options.sharesPrefixes ?? true,
    },
    batch,
    hidden:
      options.leavesStates === true
        ? {
            width: stateWidth,
            row: (batchIndex) => states[batchIndex],
            takeAll() {
              takesAll = true;
            },
          }
        : undefined,
    get steps() {
      return steps;
    },
    usedCells: () => used,
    keptStates: () => keptCount,
    failNext(outcomes) {
      scripted = [...outcomes];
    },
    useAdapter(name) {
      if (busy) throw new Error('the adapter was changed while a step runs');
      adapter = name;
    },
    async decode(tokenCount) {
      const outcome = compute(tokenCount);
      steps += 1;
      busy = true;
      await options.onDecode?.(tokenCount);
      busy = false;
      return outcome;
    },
    async sample(rows: readonly SampleRow[]) {
      return Int32Array.from(rows, (row) => {
        const chain = outputChains[row.batchIndex];
        if (chain === undefined) throw new Error(`row ${row.batchIndex} has no logits`);
        checkTokens(row, chain, adapterShift(adapter));
        return allowedFrom(nextToken(chain, row.seed, options.vocabularySize), row.mask, options.vocabularySize);
      });
    },
    keepLogits(batchIndices) {
      for (const batchIndex of batchIndices) {
        if (outputChains[batchIndex] === undefined) throw new Error(`row ${batchIndex} has no logits`);
      }
    },
    async score(rows: readonly ScoreRow[]) {
      return rows.map(({ batchIndex, token, topCount }) => {
        const chain = outputChains[batchIndex];
        if (chain === undefined) throw new Error(`row ${batchIndex} has no logits`);
        return fakeLogprobs(chain, token, topCount);
      });
    },
    copyPrefix(from: CacheSeqId, to: CacheSeqId, tokenCount: number) {
      if (cellsOf(to).size > 0) throw new Error(`copy into sequence id ${to}, which is not empty`);
      for (let position = 0; position < tokenCount; position++) {
        const cell = cellsOf(from).get(position);
        if (cell === undefined) throw new Error(`copy of position ${position}, which sequence id ${from} lacks`);
        if (perSequence) put(to, position, cell.chain);
        else {
          cellsOf(to).set(position, cell);
          cell.owners.add(to);
        }
      }
    },
    move(from, to) {
      if (cellsOf(to).size > 0) throw new Error(`move to sequence id ${to}, which is not empty`);
      if (cellsOf(from).size === 0) throw new Error(`move of sequence id ${from}, which is empty`);
      const chains = [...cellsOf(from)].map(([position, { chain }]) => ({ position, chain }));
      dropFrom(from, 0);
      for (const { position, chain } of chains) put(to, position, chain);
    },
    truncate(seq, fromPosition) {
      if (fromPosition > 0 && options.sharesPrefixes === false) throw new Error('this cache cannot be cut');
      dropFrom(seq, fromPosition);
    },
    positions(seq) {
      const cells = cellsOf(seq);
      return cells.size === 0 ? undefined : { min: Math.min(...cells.keys()), max: Math.max(...cells.keys()) };
    },
    park(seq, tokenCount): ParkedState {
      cellsOf(seq);
      return stateNow(seq, tokenCount);
    },
    forget({ bytes }) {
      keptCount -= 1;
      if (bytes.buffer instanceof ArrayBuffer) structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
    },
    restore(seq, state) {
      checkKept(state);
      if (cellsOf(seq).size > 0) throw new Error(`restore into sequence id ${seq}, which is not empty`);
      if (!perSequence && used + state.tokenCount > options.cellCount) return false;
      const chains = new Uint32Array(state.bytes.buffer);
      for (let position = 0; position < state.tokenCount; position++) put(seq, position, chains[position] ?? 0);
      return true;
    },
    fill(seq, state) {
      checkKept(state);
      const from = cellsOf(seq).size;
      if (perSequence && from > 0) throw new Error(`fill of the slab of sequence id ${seq}, which is not empty`);
      const chains = new Uint32Array(state.bytes.buffer);
      for (let position = 0; position < from; position++) {
        if (cellsOf(seq).get(position)?.chain !== chains[position])
          throw new Error(`fill over other tokens at ${position}`);
      }
      if (!perSequence && used + state.tokenCount - from > options.cellCount) return false;
      for (let position = from; position < state.tokenCount; position++) put(seq, position, chains[position] ?? 0);
      return true;
    },
    parkBytes: (seq) => cellsOf(seq).size * 4,
    dispose: () => undefined,
  };
}
