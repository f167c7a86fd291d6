// The ceiling in figures: tokens a second of the bare loop, and what memory bandwidth would allow for the bytes a step reads.

import { alignTable } from '../load/table.ts';

export interface BytesRead {
  /** Of all weights that every step reads. */
  readonly weightBytes: number;
  /** Of K and V for one token of context. */
  readonly kvTokenBytes: number;
}

export interface CeilingInput {
  readonly sequenceCount: number;
  /** Tokens in a sequence's cache, on average over the steps. */
  readonly contextTokens: number;
  readonly bytes: BytesRead;
  /** Bytes a second. */
  readonly bandwidth: number;
  readonly decodeMs: number;
  readonly stepMs: number;
  readonly promptTokensPerSecond: number;
  /** Output tokens a second of whole runs, prompts included: what a server under the same load could at best reach. */
  readonly runTokensPerSecond: number;
}

export interface CeilingRow extends CeilingInput {
  /** Output tokens a second of decoding alone, of decoding and drawing, and as far as bandwidth allows. */
  readonly decodeTokensPerSecond: number;
  readonly stepTokensPerSecond: number;
  readonly bandwidthTokensPerSecond: number;
}

/** Works the rates out. */
export function ceilingRow(input: CeilingInput): CeilingRow {
  const { sequenceCount, contextTokens, bytes, bandwidth, decodeMs, stepMs } = input;
  const stepBytes = bytes.weightBytes + sequenceCount * contextTokens * bytes.kvTokenBytes;
  return {
    ...input,
    decodeTokensPerSecond: sequenceCount / (decodeMs / 1000),
    stepTokensPerSecond: sequenceCount / (stepMs / 1000),
    bandwidthTokensPerSecond: (sequenceCount * bandwidth) / stepBytes,
  };
}

/** A row for each number of sequences. */
export function ceilingTable(rows: readonly CeilingRow[]): string {
  return alignTable([
    [
      'sequences',
      'decode ms',
      'step ms',
      'decode tok/s',
      'ceiling tok/s',
      'bandwidth tok/s',
      'share',
      'prompt tok/s',
      'with prompts tok/s',
    ],
    ...rows.map((row) => [
      String(row.sequenceCount),
      row.decodeMs.toFixed(2),
      row.stepMs.toFixed(2),
      row.decodeTokensPerSecond.toFixed(1),
      row.stepTokensPerSecond.toFixed(1),
      row.bandwidthTokensPerSecond.toFixed(1),
      (row.stepTokensPerSecond / row.bandwidthTokensPerSecond).toFixed(2),
      row.promptTokensPerSecond.toFixed(0),
      row.runTokensPerSecond.toFixed(1),
    ]),
  ]);
}
