// Reads request traces with arrival times: Azure's CSV (lengths only) and Mooncake's JSON lines (lengths and the ids of
// the 512-token blocks a prompt consists of, so that shared prefixes can be replayed).
// Sources: github.com/Azure/AzurePublicDataset, AzureLLMInferenceDataset2023; github.com/kvcache-ai/Mooncake, FAST25-release.

import { z } from 'zod';

export interface TraceRow {
  /** Milliseconds after the trace's first request. */
  readonly arrivalMs: number;
  readonly promptTokens: number;
  readonly outputTokens: number;
  /** Ids of the prompt's blocks of `traceBlockTokens` tokens, the last one perhaps partly filled; empty when unknown. */
  readonly blockIds: readonly number[];
}

/** Tokens in one block of a Mooncake trace. */
export const traceBlockTokens = 512;

const mooncakeRow = z.object({
  timestamp: z.number().min(0),
  input_length: z.number().int().min(1),
  output_length: z.number().int().min(1),
  hash_ids: z.array(z.number().int()),
});

/** Parses a whole trace file, in arrival order. Throws an Error that names the line at fault. */
export function parseTrace(text: string): TraceRow[] {
  const lines = text.split(/\r?\n/);
  const isJson = lines[0]?.trimStart().startsWith('{') === true;
  const rows = isJson ? parseLines(lines, 1, parseMooncakeLine) : parseAzure(lines);
  if (rows.length === 0) throw new Error('the trace has no requests');
  const firstMs = rows.reduce((earliest, row) => Math.min(earliest, row.arrivalMs), Number.POSITIVE_INFINITY);
  return rows.map((row) => ({ ...row, arrivalMs: row.arrivalMs - firstMs })).sort((a, b) => a.arrivalMs - b.arrivalMs);
}

function parseAzure(lines: readonly string[]): TraceRow[] {
  const header = 'TIMESTAMP,ContextTokens,GeneratedTokens';
  const [first = '', ...rest] = lines;
  if (first.trim() !== header)
    throw new Error(`line 1 must be JSON or the header ${header}. Given: ${first.slice(0, 80)}`);
  return parseLines(rest, 2, parseAzureLine);
}

function parseLines(lines: readonly string[], firstNumber: number, parseLine: (line: string) => TraceRow): TraceRow[] {
  return lines.flatMap((line, index) => {
    if (line.trim() === '') return [];
    try {
      return [parseLine(line)];
    } catch (error) {
      const reason = error instanceof z.ZodError ? z.prettifyError(error).replaceAll('\n', ' ') : String(error);
      throw new Error(`line ${firstNumber + index}: ${reason}. Given: ${line.slice(0, 120)}`);
    }
  });
}

function parseMooncakeLine(line: string): TraceRow {
  const row = mooncakeRow.parse(JSON.parse(line));
  return {
    arrivalMs: row.timestamp,
    promptTokens: row.input_length,
    outputTokens: row.output_length,
    blockIds: row.hash_ids,
  };
}

function parseAzureLine(line: string): TraceRow {
  const [timestamp = '', prompt = '', output = ''] = line.split(',');
  return {
    arrivalMs: parseTimestamp(timestamp),
    promptTokens: parseCount(prompt),
    outputTokens: parseCount(output),
    blockIds: [],
  };
}

/** "2023-11-16 18:15:46.6805900" in milliseconds, the seven decimals kept as a fraction. */
function parseTimestamp(text: string): number {
  const match = /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)(\.\d+)?$/.exec(text.trim());
  const wholeMs = match === null ? Number.NaN : Date.parse(`${match[1]}T${match[2]}Z`);
  if (Number.isNaN(wholeMs)) throw new Error('the time must look like 2023-11-16 18:15:46.6805900');
  return wholeMs + Number(match?.[3] ?? 0) * 1000;
}

function parseCount(text: string): number {
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1) throw new Error('token counts must be whole numbers >= 1');
  return count;
}
