import { describe, expect, test } from 'vitest';
import { passAt } from '../../../src/precision/evaluate/tasks/code-file.ts';
import { isRight, type Match } from '../../../src/precision/evaluate/tasks/grade.ts';
import { lastNumber } from '../../../src/precision/evaluate/tasks/gsm8k-file.ts';

const call = (text: string) => `<tool_call>\n${text}\n</tool_call>`;

test.each<[Match, string, string, boolean]>([
  ['exact', ' 650\n', '650', true],
  ['exact', '650.', '650', false],
  ['exact', 'yes', 'Yes', false],
  ['contains', 'The HEDGEHOG slept.', 'hedgehog', true],
  ['contains', 'The fox slept.', 'hedgehog', false],
  ['json', '{"b": [1, 2.0], "a": null}', '{"a":null,"b":[1,2]}', true],
  ['json', '{"a": "1"}', '{"a": 1}', false],
  ['json', '{"a": 1', '{"a": 1}', false],
  ['json', '[1, 2]', '[2, 1]', false],
  [
    'tool_call',
    `Sure. ${call('{"name": "f", "arguments": {"y": 2, "x": 1}}')}`,
    call('{"name":"f","arguments":{"x":1,"y":2}}'),
    true,
  ],
  ['tool_call', call('{"name": "g", "arguments": {}}'), call('{"name": "f", "arguments": {}}'), false],
  ['tool_call', 'no call', call('{"name": "f", "arguments": {}}'), false],
  ['tool_call', 'no call', 'no call either', false],
  [
    'tool_call',
    call('{"name": "f", "arguments": {}}'),
    `${call('{"name": "f", "arguments": {}}')}\n${call('{"name": "f", "arguments": {}}')}`,
    false,
  ],
  ['tool_call', call('{"name": "f", '), call('{"name": "f"}'), false],
])('%s: %s for %s is %s', (match, output, answer, right) => {
  expect(isRight(output, { answer, match })).toBe(right);
});

describe('numbers of GSM8K', () => {
  test.each([
    ['so she pays $1,234.50 in all.\n#### 1,234.50', 1234.5],
    ['#### -7', -7],
    ['First 3, then 5 apples, so 8.', 8],
    ['no number', undefined],
    ['1 + 1 = 2 #### 3 apples, or 4', 3],
  ])('%s', (text, number) => {
    expect(lastNumber(text)).toBe(number);
  });
});

test('pass@k is the unbiased estimate', () => {
  expect(passAt(1, { passCount: 3, sampleCount: 10 })).toBeCloseTo(0.3, 12);
  // 1 - choose(7, 2) / choose(10, 2) = 1 - 21 / 45.
  expect(passAt(2, { passCount: 3, sampleCount: 10 })).toBeCloseTo(1 - 21 / 45, 12);
  expect(passAt(8, { passCount: 3, sampleCount: 10 })).toBe(1);
  expect(passAt(5, { passCount: 0, sampleCount: 10 })).toBeCloseTo(0, 12);
});
