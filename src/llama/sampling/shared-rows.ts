// The memory that the sampling threads share: rows to draw, their results, and who takes which.
// Why tickets carry a round number: a thread that wakes late must not take a row of a round it knows nothing about. A
// ticket is (round, row) in one integer, handed out by one atomic addition; the round's size is published the same way.
// Why results begin as a mark of their round: a thread that was put to sleep in the middle of a row finds, when it goes on,
// that its round is over, and its result changes nothing.
//
//   ticket, size    31........12 11.....0
//                      round      row (or count)

/** Rows of one round at most; leaves room in a ticket for the additions of threads that find nothing left. */
export const roundRowsMax = 1024;

const rowBits = 12;
const rowMask = (1 << rowBits) - 1;

/** Entries of `control`. */
export const control = { ticket: 0, size: 1, finished: 2, wake: 3, stop: 4, busyCount: 5, length: 8 } as const;

/** Numbers per row in `fields`. */
const fieldsPerRow = 9;

export interface SharedRows {
  /** Shape (control.length,). */
  readonly control: Int32Array;
  /** Address and row count of the logits. Shape (2,). */
  readonly logits: BigInt64Array;
  /** Shape (roundRowsMax, fieldsPerRow). */
  readonly fields: Float64Array;
  /** Drawn tokens, -1 where none was possible, a mark below that where not drawn yet. Shape (roundRowsMax,). */
  readonly results: Int32Array;
  /** What rows with a grammar may draw; read only where a row's record says so. Shape (roundRowsMax, maskWords). */
  readonly masks: Int32Array;
}

/** One row as the threads see it: adjustments were made before. */
export interface RowRecord {
  readonly logitsRow: number;
  readonly temperature: number;
  readonly topK: number;
  readonly topP: number;
  readonly minP: number;
  readonly typicalP: number;
  readonly seed: number;
  readonly position: number;
  /** Whether the row's mask counts. */
  readonly isMasked: boolean;
}

const controlBytes = control.length * 4;
const logitsBytes = 2 * 8;
const fieldsBytes = roundRowsMax * fieldsPerRow * 8;

const resultsBytes = roundRowsMax * 4;

/** Words of one row's mask. */
function maskWordsOf(vocabularySize: number): number {
  return Math.ceil(vocabularySize / 32);
}

export function allocateSharedRows(vocabularySize: number): SharedArrayBuffer {
  // Pages that no mask was written to take no memory.
  const maskBytes = roundRowsMax * maskWordsOf(vocabularySize) * 4;
  return new SharedArrayBuffer(controlBytes + logitsBytes + fieldsBytes + resultsBytes + maskBytes);
}

export function viewSharedRows(memory: SharedArrayBuffer): SharedRows {
  return {
    masks: new Int32Array(memory, controlBytes + logitsBytes + fieldsBytes + resultsBytes),
    control: new Int32Array(memory, 0, control.length),
    logits: new BigInt64Array(memory, controlBytes, 2),
    fields: new Float64Array(memory, controlBytes + logitsBytes, roundRowsMax * fieldsPerRow),
    results: new Int32Array(memory, controlBytes + logitsBytes + fieldsBytes, roundRowsMax),
  };
}

export function writeRow({ fields }: SharedRows, row: number, record: RowRecord): void {
  const start = row * fieldsPerRow;
  fields[start] = record.logitsRow;
  fields[start + 1] = record.temperature;
  fields[start + 2] = record.topK;
  fields[start + 3] = record.topP;
  fields[start + 4] = record.minP;
  fields[start + 5] = record.typicalP;
  fields[start + 6] = record.seed;
  fields[start + 7] = record.position;
  fields[start + 8] = record.isMasked ? 1 : 0;
}

/** The place of a row's mask. Shape (maskWords,). */
export function maskOf({ masks }: SharedRows, row: number): Int32Array {
  const words = masks.length / roundRowsMax;
  return masks.subarray(row * words, (row + 1) * words);
}

export function readRow({ fields }: SharedRows, row: number): RowRecord {
  const field = (index: number) => fields[row * fieldsPerRow + index] as number;
  return {
    logitsRow: field(0),
    temperature: field(1),
    topK: field(2),
    topP: field(3),
    minP: field(4),
    typicalP: field(5),
    seed: field(6),
    position: field(7),
    isMasked: field(8) !== 0,
  };
}

/** What stands in the results of a round before a row is drawn: -2 or less, different for neighbouring rounds. */
function pendingMark(size: number): number {
  return -2 - (size >>> rowBits);
}

/** Opens a round of `count` rows, whose records and logits are already written, and wakes the threads. */
export function openRound(shared: SharedRows, count: number): void {
  const { control: words, results } = shared;
  const round = ((Atomics.load(words, control.size) >>> rowBits) + 1) << rowBits;
  results.fill(pendingMark(round), 0, count);
  Atomics.store(words, control.size, round | count);
  Atomics.store(words, control.ticket, round);
  Atomics.add(words, control.wake, 1);
  Atomics.notify(words, control.wake);
}

/** A row taken by a thread, and the mark its result has until it is drawn. */
export interface TakenRow {
  readonly row: number;
  readonly mark: number;
}

/** The next row of the open round for the calling thread, or undefined when all are taken. */
export function takeRow({ control: words }: SharedRows): TakenRow | undefined {
  // Looked at before: additions that find nothing must stay few, or the row would overflow into the round.
  if (rowOf(Atomics.load(words, control.ticket), Atomics.load(words, control.size)) === undefined) return undefined;
  const ticket = Atomics.add(words, control.ticket, 1);
  return rowOf(ticket, Atomics.load(words, control.size));
}

/** The row a ticket stands for; none when another round has begun (it wakes everybody) or all rows are taken. */
function rowOf(ticket: number, size: number): TakenRow | undefined {
  const row = ticket & rowMask;
  const valid = ticket >>> rowBits === size >>> rowBits && row < (size & rowMask);
  return valid ? { row, mark: pendingMark(size) } : undefined;
}

/** The first row of the open round that has no result yet. */
export function findPending({ control: words, results }: SharedRows): TakenRow | undefined {
  const size = Atomics.load(words, control.size);
  const mark = pendingMark(size);
  for (let row = 0; row < (size & rowMask); row++) if (Atomics.load(results, row) === mark) return { row, mark };
  return undefined;
}

/** Stores a row's token, unless it has one or its round is over; tells whoever waits for the round. */
export function finishRow({ control: words, results }: SharedRows, { row, mark }: TakenRow, token: number): void {
  Atomics.compareExchange(results, row, mark, token);
  Atomics.add(words, control.finished, 1);
  Atomics.notify(words, control.finished);
}
