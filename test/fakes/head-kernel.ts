// The head of the fake model: guesses from the state that its rows are given, which the model left of the token before.
// Why it catches faults: a state of another row, place or sequence makes a chain that is not that of the tokens drawn after, and it
// keeps positions as llama.cpp does: they go on without a gap, from wherever they begin.

import type { Kernel, SampleRow } from '../../src/kernel-port.ts';
import { chainOf, checkTokens, nextToken, readState, stateOf, stateWidth } from './kernel.ts';

export interface FakeHeadOptions {
  readonly cellCount: number;
  readonly cacheSeqCount: number;
  readonly vocabularySize: number;
  readonly batchTokensMax: number;
  readonly outputRowsMax: number;
  readonly onDecode: (tokenCount: number) => void;
}

interface Span {
  readonly min: number;
  readonly max: number;
}

export function createFakeHead(options: FakeHeadOptions): Kernel {
  const { cellCount, cacheSeqCount, vocabularySize, batchTokensMax, outputRowsMax } = options;
  const spans = new Map<number, Span>();
  const batch = {
    tokens: new Int32Array(batchTokensMax),
    positions: new Int32Array(batchTokensMax),
    cacheSeqs: new Int32Array(batchTokensMax),
    outputs: new Int8Array(batchTokensMax),
    states: new Float32Array(batchTokensMax * stateWidth),
  };
  let rows: { readonly chain: number; readonly shift: number }[] = [];
  const unused = (): never => {
    throw new Error('nobody asks this of a head');
  };

  function compute(row: number): void {
    const { seq, position, token } = {
      seq: batch.cacheSeqs[row] ?? -1,
      position: batch.positions[row] ?? -1,
      token: batch.tokens[row] ?? -1,
    };
    const span = spans.get(seq);
    if (seq < 0 || seq >= cacheSeqCount) throw new Error(`sequence id ${seq} is out of range`);
    if (span !== undefined && position !== span.max + 1)
      throw new Error(`position ${position} of sequence id ${seq} does not follow ${span.max}`);
    spans.set(seq, { min: span?.min ?? position, max: position });
    const before = readState(batch.states.subarray(row * stateWidth, (row + 1) * stateWidth));
    rows.push({ chain: chainOf(before.chain ^ before.shift, token), shift: before.shift });
  }

  return {
    limits: {
      cellCount,
      layout: 'pooled',
      batchTokensMax,
      passTokensMax: batchTokensMax,
      positionsTrained: cellCount,
      outputRowsMax,
      cacheSeqCount,
      vocabularySize,
      endTokenIds: [],
      sharesPrefixes: true,
    },
    batch,
    hidden: {
      width: stateWidth,
      row(batchIndex) {
        const found = rows[batchIndex];
        return found === undefined ? undefined : stateOf(found);
      },
      takeAll: unused,
    },
    async decode(tokenCount) {
      const held = [...spans.values()].reduce((sum, { min, max }) => sum + max - min + 1, 0);
      const outputCount = batch.outputs.subarray(0, tokenCount).reduce((sum, output) => sum + output, 0);
      if (tokenCount > batchTokensMax || outputCount > outputRowsMax) throw new Error('this batch would abort');
      if (held + tokenCount > cellCount) return { kind: 'no-room' };
      rows = [];
      for (let row = 0; row < tokenCount; row++) compute(row);
      options.onDecode(tokenCount);
      return { kind: 'done' };
    },
    async sample(wishes: readonly SampleRow[]) {
      return Int32Array.from(wishes, (wish) => {
        const row = rows[wish.batchIndex];
        if (row === undefined || batch.outputs[wish.batchIndex] !== 1) throw new Error('this row has no logits');
        checkTokens(wish, row.chain, row.shift);
        return nextToken(row.chain, wish.seed, vocabularySize);
      });
    },
    truncate(seq, fromPosition) {
      const span = spans.get(seq);
      if (span === undefined || fromPosition > span.max) return;
      if (fromPosition <= span.min) spans.delete(seq);
      else spans.set(seq, { min: span.min, max: fromPosition - 1 });
    },
    positions: (seq) => spans.get(seq),
    useAdapter: unused,
    keepLogits: unused,
    score: unused,
    copyPrefix: unused,
    move: unused,
    park: unused,
    restore: unused,
    fill: unused,
    parkBytes: unused,
    forget: unused,
    dispose: () => undefined,
  };
}
