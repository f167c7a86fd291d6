// Bodies of the Messages API, made of right and wrong pieces at random: never a bug, never an error in another form.

import fc from 'fast-check';
import { expect, it } from 'vitest';
import { messagesErrorAnswer } from '../../../src/routes/answers/messages.ts';
import { appOfEachTest } from '../../fakes/app-of-each-test.ts';
import { answerAllWith } from '../../fakes/engine.ts';
import { testModel } from '../../fakes/http-app.ts';

const { open } = appOfEachTest();

const valid = { model: testModel, max_tokens: 16, messages: [{ role: 'user', content: 'hello' }] };
const tool = { name: 'f', input_schema: { type: 'object' } };

it('any body is answered or refused in form', async () => {
  const { app, engine } = await open();
  answerAllWith(engine, 'x');
  const any = fc.jsonValue({ maxDepth: 3 });
  const kind = fc.constantFrom('text', 'tool_use', 'tool_result', 'thinking', 'redacted_thinking', 'image', 'custom');
  const id = fc.constantFrom('a', 'b');
  const block = fc.record(
    {
      type: kind,
      text: fc.oneof(fc.string(), any),
      id: fc.oneof(id, any),
      name: fc.oneof(fc.constant('f'), any),
      input: fc.oneof(fc.constant({}), any),
      tool_use_id: fc.oneof(id, any),
      content: any,
      thinking: fc.string(),
      signature: fc.oneof(fc.constant('octet-thinking:/w=='), fc.string()),
      data: fc.string(),
    },
    { requiredKeys: ['type'] },
  );
  const turn = fc.record({
    role: fc.constantFrom('user', 'assistant', 'system', 'tool'),
    content: fc.oneof(fc.string(), fc.array(fc.oneof({ weight: 9, arbitrary: block }, any), { maxLength: 2 }), any),
  });
  const turns = fc.array(turn, { minLength: 1, maxLength: 4 });
  const types = (...names: readonly string[]) => fc.record({ type: fc.constantFrom(...names) });
  const field = fc.oneof(
    fc.record({ messages: fc.oneof({ weight: 9, arbitrary: turns }, any) }),
    fc.record({ max_tokens: fc.oneof(fc.integer({ min: -1, max: 9999 }), any) }),
    fc.record({ system: any }),
    fc.record({ tools: fc.oneof(fc.constant([tool]), fc.array(any), any) }),
    fc.record({ tool_choice: fc.oneof(types('auto', 'any', 'tool', 'none'), any), tools: fc.constant([tool]) }),
    fc.record({ thinking: fc.oneof(types('enabled', 'adaptive', 'disabled'), any) }),
    fc.record({ output_config: fc.oneof(fc.record({ effort: any, format: any }), any) }),
    fc.record({ metadata: any, stop_sequences: any }),
    fc.record({ stream: fc.boolean() }),
  );
  const fields = fc.array(field, { maxLength: 2 }).map((some): object => Object.assign({}, ...some));
  const seen = new Set<number>();
  await fc.assert(
    fc.asyncProperty(fields, fc.constantFrom('/v1/messages', '/v1/messages/count_tokens'), async (given, url) => {
      const { statusCode: status, body } = await app.inject({ method: 'POST', url, payload: { ...valid, ...given } });
      seen.add(status);
      if (status !== 200) expect(messagesErrorAnswer.parse(JSON.parse(body)).error.type).toBe('invalid_request_error');
      expect([200, 400]).toContain(status);
    }),
    { numRuns: 400 },
  );
  expect(seen).toEqual(new Set([200, 400]));
  expect(engine.openIds.size).toBe(0);
});
