// What a decode leaves of its output rows, behind one interface: logits that were copied to the host, or rows that stay on
// the device and were drawn for there (graph-draw/graph-rows.ts).

import type { ListDraws, SampleRow } from '../kernel-port.ts';
import type { Walk } from './graph-draw/walk.ts';
import type { HiddenRows } from './heads/hidden-rows.ts';
import { createLogitsView, type LogitsSource, type LogitsView } from './logits-view.ts';
import type { BatchMemory } from './native-batch.ts';
import type { NativeDecode } from './native-decode.ts';

export type RowsView = Pick<LogitsView, 'address' | 'values' | 'row' | 'rowOf' | 'vocabularySize'>;

export interface DecodedRows {
  /**
   * Computes a step, whose rows replace those of the last one; answers llama_decode's code. `draws`: what will be drawn of
   * it, as far as that is known.
   */
  compute(tokenCount: number, draws: ListDraws): Promise<number>;
  /** Where the logits are in host memory; those of a row may be looked at once it was read. */
  readonly view: RowsView;
  /** Brings these rows' logits to the host, each at most once a step: what was changed there stays. */
  read(batchIndices: readonly number[]): void;
  /** The row's likeliest token, if it was drawn with the decode and is what `mostLikely` would answer. */
  likeliestOf(batchIndex: number): number | undefined;
  /** The draw by trying of a row that `isWalked`; undefined where such rows are drawn as all others. */
  walkOf(row: SampleRow): Walk | undefined;
  /** After a first step, of which `row` was announced: throws unless what was drawn with it is what the host would draw. */
  check(row: SampleRow): void;
  /** The context must be gone. */
  dispose(): void;
}

export interface HostRowsSource extends LogitsSource {
  readonly batch: BatchMemory;
  readonly decode: NativeDecode;
  /** Undefined where nobody reads hidden states. */
  readonly hidden: HiddenRows | undefined;
}

/** All logits are copied to the host with every decode. */
export function createHostRows(source: HostRowsSource): DecodedRows {
  const { batch, decode, hidden } = source;
  const view = createLogitsView(source);
  return {
    async compute(tokenCount) {
      batch.native.n_tokens = tokenCount;
      hidden?.start(tokenCount);
      const code = await decode(batch.native);
      if (code !== 0) return code;
      view.refresh(batch.step, tokenCount);
      hidden?.take();
      return code;
    },
    view,
    read: () => undefined,
    likeliestOf: () => undefined,
    walkOf: () => undefined,
    check: () => undefined,
    dispose: () => undefined,
  };
}
