import { describe, expect, test } from 'vitest';
import { parseTrace } from '../../bench/trace.ts';

describe('Azure traces', () => {
  const header = 'TIMESTAMP,ContextTokens,GeneratedTokens';

  test('arrival times count from the first request, fractions of a millisecond kept', () => {
    const text = `${header}\r\n2023-11-16 18:15:46.6805900,374,44\r\n2023-11-16 18:15:50.9951690,396,109\r\n`;
    const [first, second] = parseTrace(text);
    expect(first).toEqual({ arrivalMs: 0, promptTokens: 374, outputTokens: 44, blockIds: [] });
    expect(second?.arrivalMs).toBeCloseTo(4314.579, 2);
  });

  test('rows out of order are put in order', () => {
    const text = `${header}\n2023-11-16 00:00:02,1,1\n2023-11-16 00:00:01,2,2\n`;
    expect(parseTrace(text).map((row) => [row.arrivalMs, row.promptTokens])).toEqual([
      [0, 2],
      [1000, 1],
    ]);
  });

  test.each([
    ['2023-11-16,1,1', 'the time must look like'],
    ['2023-11-16 00:00:00,0,1', 'whole numbers >= 1'],
    ['2023-11-16 00:00:00,1', 'whole numbers >= 1'],
    ['2023-11-16 00:00:00,1,x', 'whole numbers >= 1'],
  ])('the line at fault is named: %s', (line, reason) => {
    expect(() => parseTrace(`${header}\n\n${line}\n`)).toThrow(new RegExp(`^line 3: .*${reason}.*Given: `));
  });
});

describe('Mooncake traces', () => {
  test('block ids are kept', () => {
    const text = [
      '{"timestamp": 27000, "input_length": 513, "output_length": 6, "hash_ids": [0, 1]}',
      '{"timestamp": 30500, "input_length": 1024, "output_length": 2, "hash_ids": [0, 9]}',
    ].join('\n');
    expect(parseTrace(text)).toEqual([
      { arrivalMs: 0, promptTokens: 513, outputTokens: 6, blockIds: [0, 1] },
      { arrivalMs: 3500, promptTokens: 1024, outputTokens: 2, blockIds: [0, 9] },
    ]);
  });

  test.each([
    '{"timestamp": 0, "input_length": 0, "output_length": 6, "hash_ids": []}',
    '{"timestamp": 0, "input_length": 5}',
    '{not json',
  ])('a bad line is refused: %s', (line) => {
    expect(() => parseTrace(line)).toThrow(/^line 1: /);
  });
});

test.each(['', 'a,b,c\n1,2,3'])('anything else is refused: %j', (text) => {
  expect(() => parseTrace(text)).toThrow(/line 1 must be JSON or the header/);
});

test('a trace without requests is refused', () => {
  expect(() => parseTrace('TIMESTAMP,ContextTokens,GeneratedTokens\n')).toThrow('the trace has no requests');
});
