// The rows of a drafting round: what the sequences grew by, and of which rows tokens are drawn.

import { must } from '../../assert.ts';
import type { Kernel, SampleRow } from '../../kernel-port.ts';
import { sampleRow } from '../apply-step.ts';
import type { Sequence } from '../sequence.ts';
import type { DraftCells } from './draft-cells.ts';
import type { DraftWish } from './plan-round.ts';
import type { RowInputs } from './row-inputs.ts';
import type { DraftEntry } from './types.ts';

export interface RowWriter {
  readonly kernel: Kernel;
  readonly inputs: RowInputs;
  readonly cells: DraftCells;
  /** Of this round. */
  readonly round: number;
}

/** One sequence in a round. */
export interface Part {
  readonly wish: DraftWish;
  readonly sequence: Sequence;
  readonly entry: DraftEntry;
}

/** A row of which a token is drawn, and what it is for. */
export interface DrawnRow {
  readonly part: Part;
  readonly row: SampleRow;
  /** The token of the sequence that it is held against; undefined where it is a guess. */
  readonly known: number | undefined;
}

/** Rows of what the parts have to read, as far as batch and cache have room; those that only need a token come first. */
export function writeReads(
  writer: RowWriter,
  parts: readonly Part[],
): { readonly rowCount: number; readonly drawn: readonly DrawnRow[] } {
  const { kernel, cells, round } = writer;
  const { limits, batch } = kernel;
  const drawn: DrawnRow[] = [];
  let rowCount = 0;
  const missing = ({ sequence, entry }: Part) => sequence.tokenCount - entry.heldCount;
  for (const part of [...parts].sort((a, b) => missing(a) - missing(b))) {
    const { sequence, entry, wish } = part;
    const from = entry.heldCount;
    const count = Math.min(missing(part), wish.readCount, limits.batchTokensMax - rowCount);
    if (count < 1 || !knows(kernel, sequence.tokens.subarray(from, from + count))) continue;
    if (!cells.reserve(count, round)) continue;
    for (let position = from; position < from + count; position++) {
      writeRow(writer, rowCount, { part, position });
      const draw = drawnRow(part, { batchIndex: rowCount, position, room: limits.outputRowsMax - drawn.length });
      if (draw !== undefined) {
        batch.outputs[rowCount] = 1;
        drawn.push(draw);
      }
      rowCount += 1;
    }
    entry.heldCount += count;
  }
  return { rowCount, drawn };
}

/** The draft model's vocabulary may be a little shorter; a token beyond it would fail the whole batch. */
function knows({ limits }: Kernel, tokens: Int32Array): boolean {
  return tokens.every((token) => token < limits.vocabularySize);
}

/** The row of one position, a guess's too; nothing is drawn of it unless it is marked. */
export function writeRow(
  { kernel, inputs }: Pick<RowWriter, 'kernel' | 'inputs'>,
  row: number,
  { part: { sequence, entry }, position }: { readonly part: Part; readonly position: number },
): void {
  const { batch } = kernel;
  batch.tokens[row] = must(sequence.tokens[position], 'a token for each position');
  batch.positions[row] = position;
  batch.cacheSeqs[row] = entry.seq;
  batch.outputs[row] = 0;
  inputs.write(row, { sequence, entry, position });
}

/** The draw of a row: the first guess after a sequence's last token, or in a trial one that is held against its next token. */
function drawnRow(
  part: Part,
  { batchIndex, position, room }: { readonly batchIndex: number; readonly position: number; readonly room: number },
): DrawnRow | undefined {
  const { sequence, wish } = part;
  const ahead = position + 1 - sequence.tokenCount;
  const row = (): SampleRow => sampleRow(sequence, batchIndex, ahead);
  if (room < 1) return undefined;
  if (ahead === 0) return wish.guessCount > 0 ? { part, row: row(), known: undefined } : undefined;
  // Only output tells: a prompt was written by others.
  if (!wish.isTrial || sequence.generatedCount + ahead < 0) return undefined;
  return { part, row: row(), known: must(sequence.tokens[position + 1], 'a token after those before the last') };
}
