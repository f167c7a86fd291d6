// The tokens of a step: those that were drawn with the decode, and for the other rows the host's sampler over their logits.
// Why by row: one request's grammar or penalties must not cost the others of its step anything.

import { must } from '../assert.ts';
import type { TokenId } from '../ids.ts';
import type { SampleRow } from '../kernel-port.ts';
import type { DecodedRows } from './decoded-rows.ts';
import { isWalked, judge, tryCount, tryOnHost, tryPosition } from './graph-draw/walk.ts';
import { reweighs, surelyAllows } from './sampling/adjust.ts';
import { createRunSums } from './sampling/draw.ts';
import type { RowToDraw, Sampler } from './sampling/sampler.ts';

export interface RowDraws {
  /** Draws one token per row from the last decode, -1 where none is possible. Shape (rows.length,). */
  sample(rows: readonly SampleRow[]): Int32Array;
  dispose(): void;
}

export interface RowDrawsSource {
  readonly decoded: DecodedRows;
  readonly sampler: Sampler;
  readonly endTokenIds: readonly TokenId[];
}

/** A token, or the row as the host's sampler is to draw it. */
type Drawn = number | RowToDraw;

export function createRowDraws({ decoded, sampler, endTokenIds }: RowDrawsSource): RowDraws {
  const runSums = createRunSums(decoded.view.vocabularySize);

  /** The model's likeliest token, if the request leaves it that. */
  function drawLikeliest(row: SampleRow): Drawn {
    const token = reweighs(row) ? undefined : decoded.likeliestOf(row.batchIndex);
    return token !== undefined && surelyAllows(row, token, endTokenIds) ? token : row;
  }

  function drawByTrying(row: SampleRow): Drawn {
    let walk = decoded.walkOf(row);
    if (walk === undefined) return row;
    if (walk.kind === 'unknown') {
      const tried = tryOnHost(logitsOf(row.batchIndex), row, { endTokenIds, runSums });
      if (tried !== undefined) walk = judge(row, tried, endTokenIds);
    }
    return walk.kind === 'drawn' ? walk.token : { ...row, drawPosition: tryPosition(row, tryCount) };
  }

  function logitsOf(batchIndex: number): Float32Array {
    const { view } = decoded;
    decoded.read([batchIndex]);
    const start = view.rowOf(batchIndex) * view.vocabularySize;
    return view.values().subarray(start, start + view.vocabularySize);
  }

  function draw(row: SampleRow): Drawn {
    if (row.sampling.temperature === 0) return drawLikeliest(row);
    return isWalked(row) ? drawByTrying(row) : row;
  }

  return {
    sample(rows) {
      const drawn = rows.map(draw);
      const left = drawn.filter((each) => typeof each !== 'number');
      if (left.length > 0) decoded.read(left.map(({ batchIndex }) => batchIndex));
      const tokens = left.length > 0 ? sampler.sample(left) : nothing;
      let next = 0;
      return Int32Array.from(drawn, (each) =>
        typeof each === 'number' ? each : must(tokens[next++], 'one draw per row'),
      );
    },
    dispose: sampler.dispose,
  };
}

const nothing = new Int32Array(0);
