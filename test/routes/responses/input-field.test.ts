// The input of a response: what forms it may have, what is refused and where the fault is said to be.

import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { faultsError, faultsOf } from '../../../src/routes/faults.ts';
import { inputField } from '../../../src/routes/responses/input-field.ts';
import { sealReasoning } from '../../../src/routes/responses/sealed-reasoning.ts';

const schema = z.object({ input: inputField });

function read(input: unknown) {
  const parsed = schema.safeParse({ input });
  return parsed.success ? parsed.data.input : faultsError(faultsOf(parsed.error.issues, { input })).message;
}

const head = (prefix: string) => ({
  id: expect.stringMatching(new RegExp(`^${prefix}_[0-9a-f]{48}$`)),
  status: 'completed',
});

describe('the input', () => {
  it('may be text', () => {
    expect(read('Hello')).toEqual([
      { ...head('msg'), type: 'message', role: 'user', content: [{ type: 'input_text', text: 'Hello' }] },
    ]);
  });

  it('may be messages, easy or of parts, with or without their type', () => {
    expect(
      read([
        { role: 'developer', content: 'Be short.' },
        {
          type: 'message',
          role: 'user',
          content: [
            { type: 'input_text', text: 'a' },
            { type: 'input_text', text: 'b' },
          ],
        },
        { role: 'assistant', content: 'Fine.' },
      ]),
    ).toMatchObject([
      { role: 'developer', content: [{ type: 'input_text', text: 'Be short.' }] },
      {
        role: 'user',
        content: [
          { type: 'input_text', text: 'a' },
          { type: 'input_text', text: 'b' },
        ],
      },
      { role: 'assistant', content: [{ type: 'output_text', text: 'Fine.', annotations: [] }] },
    ]);
  });

  it('may be what was answered before, with the ids that it had', () => {
    const items = [
      { id: 'rs_1', type: 'reasoning', summary: [], content: [{ type: 'reasoning_text', text: 'hm' }], status: null },
      { id: 'fc_1', type: 'function_call', call_id: 'c1', name: 'f', arguments: '{}', status: 'completed' },
      { type: 'function_call_output', call_id: 'c1', output: [{ type: 'input_text', text: '7' }] },
      {
        id: 'msg_1',
        type: 'message',
        role: 'assistant',
        status: 'incomplete',
        content: [
          { type: 'output_text', text: 'Seven', annotations: [{ type: 'url_citation' }], logprobs: [] },
          { type: 'refusal', refusal: 'No.' },
        ],
      },
      { type: 'item_reference', id: 'msg_0' },
      { id: 'msg_0' },
    ];
    expect(read(items)).toEqual([
      { ...items[0], status: 'completed' },
      items[1],
      { ...head('fco'), ...items[2] },
      {
        ...items[3],
        content: [
          { type: 'output_text', text: 'Seven', annotations: [] },
          { type: 'refusal', refusal: 'No.' },
        ],
      },
      { type: 'item_reference', id: 'msg_0' },
      { type: 'item_reference', id: 'msg_0' },
    ]);
  });

  it('takes sealed reasoning that this server wrote, and no other', () => {
    const sealed = { type: 'reasoning', id: 'rs_1', summary: [], encrypted_content: sealReasoning('hmm Ω') };
    expect(read([sealed])).toMatchObject([{ content: [], encrypted_content: sealed.encrypted_content }]);
    expect(read([{ ...sealed, encrypted_content: 'gAAAA' }])).toBe(
      'input.0.encrypted_content must be what this server answered, or be left out where content is given. Given: "gAAAA"',
    );
  });

  it('may be left out', () => {
    expect([read(undefined), read(null), read([])]).toEqual([undefined, undefined, []]);
  });

  it('is refused with the path of every fault', () => {
    const parts = [
      { type: 'input_image', image_url: 'data:' },
      { type: 'input_file', file_id: 'f' },
      { type: 'input_text', text: 7 },
      { type: 'input_text', text: '\ud800' },
    ];
    expect(
      read([
        { role: 'user', content: parts },
        { role: 'tool', content: 'x' },
        { type: 'web_search_call', id: 'ws_1' },
        { type: 'function_call', call_id: 'c', name: 'f' },
        { type: 'function_call_output', call_id: 'c', output: [{ type: 'input_image' }] },
        7,
        { role: 'user', content: 7 },
      ]),
    ).toBe(
      [
        `input.0.content.0.type must be "input_text" or, of an assistant, "output_text" or "refusal"; images, files and audio are not supported. Given: "input_image"`,
        `input.0.content.1.type must be "input_text" or, of an assistant, "output_text" or "refusal"; images, files and audio are not supported. Given: "input_file"`,
        'input.0.content.2.text must be a string. Given: 7',
        'input.0.content.3.text must be well-formed Unicode (it holds half of a surrogate pair). Given: "\\ud800"',
        'input.1.role must be one of "user", "assistant", "system", "developer". Given: "tool"',
        'input.2.type must be one of "message", "function_call", "function_call_output", "reasoning", "item_reference"; tools that run on a server are not supported. Given: "web_search_call"',
        'input.3.arguments must be a string. Given: nothing',
        `input.4.output.0.type must be "input_text" or, of an assistant, "output_text" or "refusal"; images, files and audio are not supported. Given: "input_image"`,
        'input.5.type must be one of "message", "function_call", "function_call_output", "reasoning", "item_reference"; tools that run on a server are not supported. Given: nothing',
        'input.6.content must be an array of 0 to 1024 entries. Given: 7',
      ].join('; '),
    );
    expect(read(7)).toBe('input must be a string or a list of at most 4096 items. Given: 7');
    expect(read('\ud800')).toMatch(/^input must be well-formed Unicode/);
    expect(read(Array.from({ length: 5000 }, () => 7))).toBe(
      'input must be an array of 0 to 4096 entries. Given: an array of 5000',
    );
  });
});
