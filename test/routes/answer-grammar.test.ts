// Composed grammars in the real engine of grammars, over a vocabulary of bytes: what may be written and what may not.

import { afterAll, describe, expect, it } from 'vitest';
import { must } from '../../src/assert.ts';
import { callFormats } from '../../src/dialects/dialect.ts';
import { think } from '../../src/dialects/reasoning-formats.ts';
import { createMasks } from '../../src/grammar/create-masks.ts';
import type { GrammarSpec } from '../../src/grammar-port.ts';
import { sequenceId } from '../../src/ids.ts';
import { answerGrammar } from '../../src/routes/answer-grammar.ts';

const end = 256;
const masks = createMasks({
  vocabularySize: 257,
  endTokenIds: [end],
  pieceBytes: (token) => (token < end ? Uint8Array.of(token) : new Uint8Array(0)),
  timeoutMs: 10_000,
});
afterAll(() => masks.dispose());

let lastId = 0;

/** Whether a grammar lets exactly this text be an output. */
async function allows(grammar: GrammarSpec, text: string): Promise<boolean> {
  lastId += 1;
  const id = sequenceId(lastId);
  const tokens = Int32Array.from(Buffer.from(text));
  expect(await masks.hold(id, grammar)).toBeUndefined();
  for (let count = 0; count <= tokens.length; count += 1) {
    const cursor = { sequenceId: id, grammar, tokens, tokenCount: count, generatedCount: count, avoidEnd: false };
    const outcome = must((await masks.masks([cursor]))[0], 'an outcome');
    if (outcome.kind !== 'mask') return outcome.kind === 'complete' && count === tokens.length;
    const token = tokens[count] ?? end;
    if ((((outcome.mask[token >> 5] ?? 0) >>> (token & 31)) & 1) === 0) return false;
  }
  return true;
}

const tool = (name: string) => ({
  type: 'function' as const,
  function: {
    name,
    parameters: { properties: { a: { type: 'integer' } }, required: ['a'], additionalProperties: false },
  },
});
const tools = [tool('f'), tool('g')].map((each, index) => ({
  schemaPath: ['tools', index, 'function', 'parameters'],
  tool: each,
}));
const own: GrammarSpec = { kind: 'ebnf', text: 'root ::= "yes" | "no"' };

function compose(parts: Partial<Parameters<typeof answerGrammar>[0]>): GrammarSpec {
  const composed = answerGrammar({ calls: undefined, own: undefined, reasoning: undefined, ...parts });
  return must(composed.kind === 'valid' ? composed.value : undefined, 'a grammar');
}

describe.each(['hermes', 'llama3', 'functionary-v3.1', 'json'] as const)('calls in the format %s', (format) => {
  const shape = must(callFormats[format].shape, 'a format that can be forced');
  const call = (name: string, argument = '{"a": 1}') => shape.begin(name) + argument + shape.end;

  it.each([
    [true, true],
    [false, false],
  ])('are forced; several: %s', async (allowsSeveral, expected) => {
    const grammar = compose({ calls: { kind: 'forced', shape, tools, allowsSeveral } });
    expect(await allows(grammar, call('f'))).toBe(true);
    expect(await allows(grammar, call('f') + shape.separator + call('g'))).toBe(expected);
    for (const text of ['', 'hello', call('h'), call('f', '{"a": "x"}'), call('f', '{}'), `${call('f')} and`]) {
      expect(await allows(grammar, text), text).toBe(false);
    }
  });

  it('leave room for reasoning, and for a response format', async () => {
    const calls = { kind: 'forced' as const, shape, tools, allowsSeveral: true };
    const inside = compose({ calls, reasoning: { format: think, isInside: true } });
    expect(await allows(inside, `hm </thin\n</think>\n\n${call('f')}`)).toBe(true);
    expect(await allows(inside, call('f'))).toBe(false);
    const before = compose({ calls, own, reasoning: { format: think, isInside: false } });
    for (const text of [`<think>hm</think>${call('g')}`, call('g'), 'yes', '<think>\n</think>\n\nno']) {
      expect(await allows(before, text), text).toBe(true);
    }
    for (const text of ['maybe', '<think>hm', `yes${call('f')}`]) expect(await allows(before, text), text).toBe(false);
  });
});

it('of strict tools leaves text free and holds calls to their schemas', async () => {
  const shape = must(callFormats.hermes.shape, 'a shape');
  const strict = { ...tool('f'), function: { ...tool('f').function, strict: true } };
  const offered = [
    { schemaPath: ['tools', 0], tool: strict },
    { schemaPath: ['tools', 1], tool: tool('g') },
  ];
  const call = (name: string, argument: string) => shape.begin(name) + argument + shape.end;
  const grammar = compose({ calls: { kind: 'free', shape, tools: offered, allowsSeveral: true } });
  for (const text of [
    '',
    'Just words {"name": 1}',
    call('f', '{"a": 1}'),
    `Two: ${call('f', '{"a": 1}')}\n${call('g', '{"b": []}')} done`,
  ]) {
    expect(await allows(grammar, text), text).toBe(true);
  }
  for (const text of [call('f', '{"a": "x"}'), call('h', '{}'), '<tool_call>oops']) {
    expect(await allows(grammar, text), text).toBe(false);
  }
});

it('is the own one where nothing else is asked for', () => {
  expect(compose({ own })).toBe(own);
});

it('names the tool whose schema cannot be enforced', () => {
  const shape = must(callFormats.hermes.shape, 'a shape');
  const broken = { ...tool('f'), function: { name: 'f', parameters: { properties: { a: { $ref: '#/nowhere' } } } } };
  const composed = answerGrammar({
    calls: {
      kind: 'forced',
      shape,
      tools: [{ schemaPath: ['tools', 3, 'function', 'parameters'], tool: broken }],
      allowsSeveral: true,
    },
    own: undefined,
    reasoning: undefined,
  });
  expect(composed).toMatchObject({
    kind: 'refused',
    error: { code: 'invalid_request', param: expect.stringMatching(/^tools\.3\.function\.parameters\.properties\.a/) },
  });
});
