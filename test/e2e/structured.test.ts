// Structured output by the real server and the embedded model: what a 200 carries meets the schema, also across an engine's death.

import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { lowerRule } from '../../src/grammar/lower-rule.ts';
import type { Json } from '../../src/grammar/types.ts';
import { createRandom } from '../grammar/masked-writer.ts';
import { generateSchema } from '../grammar/schema-generator.ts';
import { createJudge } from '../grammar/validator.ts';
import { complete, openStream } from './client.ts';
import { metric } from './metrics.ts';
import { type RunningServer, serverForTest } from './server.ts';
import { eventually } from './waiting.ts';

const fixture = new URL('../fixtures/schemas/schemas.json', import.meta.url);
const written = z.record(z.string(), z.json()).parse(JSON.parse(readFileSync(fixture, 'utf8')));
const generatedCount = 30;
const streamsAtOnce = 16;

interface Case {
  readonly name: string;
  readonly schema: Json;
}

function cases(): Case[] {
  const random = createRandom(77);
  const generated = Array.from({ length: generatedCount }, (_, index) => ({
    name: `generated ${index}`,
    schema: generateSchema(random),
  }));
  return [...Object.entries(written).map(([name, schema]) => ({ name, schema })), ...generated].filter(
    ({ schema }) => lowerRule({ kind: 'json-schema', schema }).kind === 'lowered',
  );
}

const bodyOf = ({ name, schema }: Case, index: number) => ({
  prompt: `Here is ${name} as JSON: `,
  temperature: 1,
  seed: index,
  max_tokens: 80,
  response_format: { type: 'json_schema', json_schema: { name: 'x', schema } },
});

/** Runs all cases, so many at once; answers what was wrong, and how many outputs were whole. */
async function judgeAll(
  server: RunningServer,
  all: readonly Case[],
  onEnd: () => void,
): Promise<{ faults: string[]; wholeCount: number }> {
  const faults: string[] = [];
  let wholeCount = 0;
  let next = 0;
  async function work(): Promise<void> {
    for (let index = next++; index < all.length; index = next++) {
      const here = all[index];
      if (here === undefined) continue;
      const end = await openStream(server.url, bodyOf(here, index)).ended;
      onEnd();
      if (end.kind !== 'complete') faults.push(`${here.name}: ${end.kind} ${end.error?.message ?? ''}`);
      if (end.finishReason !== 'stop') continue;
      wholeCount += 1;
      const fault = createJudge(here.schema)(end.text);
      if (fault !== undefined) faults.push(`${here.name}: ${fault}`);
    }
  }
  await Promise.all(Array.from({ length: streamsAtOnce }, work));
  return { faults, wholeCount };
}

const chatAnswer = z.object({
  choices: z.array(z.object({ finish_reason: z.string(), message: z.object({ content: z.string() }) })),
});

async function chat(url: string, fields: object): Promise<{ reason: string; text: string }[]> {
  const messages = [{ role: 'user', content: 'Give me a person as JSON with name and age.' }];
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ messages, ...fields }),
  });
  const { choices } = chatAnswer.parse(await response.json());
  return choices.map(({ finish_reason: reason, message }) => ({ reason, text: message.content }));
}

describe('the embedded model under schemas', () => {
  let server: RunningServer;
  test('every output that stops by itself validates, and engines may die meanwhile', async () => {
    server = await serverForTest([]);
    const all = cases();
    let endedCount = 0;
    const judged = judgeAll(server, all, () => {
      endedCount += 1;
    });
    await eventually('some have ended', () => endedCount > 20);
    process.kill(server.enginePid(), 'SIGKILL');
    const { faults, wholeCount } = await judged;
    expect(faults).toEqual([]);
    expect(wholeCount).toBeGreaterThan(all.length / 2);
    expect(await metric(server.url, 'octet_engine_restarts_total')).toBe(1);

    const people = await chat(server.url, { n: 4, max_tokens: 200, guided_json: written['person'] });
    expect(people).toHaveLength(4);
    const judge = createJudge(written['person'] ?? {});
    for (const { reason, text } of people) if (reason === 'stop') expect(judge(text)).toBeUndefined();
    const [anything] = await chat(server.url, { temperature: 0, response_format: { type: 'json_object' } });
    expect(anything?.reason).toBe('stop');
    expect(JSON.parse(anything?.text ?? '')).toBeTypeOf('object');

    const guided = async (fields: object): Promise<string> => {
      const answer = await complete(server.url, { prompt: 'Well: ', temperature: 1.5, max_tokens: 40, ...fields });
      expect(answer).toMatchObject({ status: 200, finishReason: 'stop' });
      return answer.text;
    };
    expect(await guided({ guided_regex: '[A-Z]{3}-\\d{2,4}(é|ß)' })).toMatch(/^[A-Z]{3}-\d{2,4}(é|ß)$/);
    expect(['red', 'reddish', '緑']).toContain(await guided({ guided_choice: ['red', 'reddish', '緑'] }));
    expect(await guided({ structured_outputs: { grammar: 'root ::= ("yes" | "no") " ok"?' } })).toMatch(
      /^(yes|no)( ok)?$/,
    );
    // It may not end, and must: the grammar decides.
    expect(await guided({ guided_regex: 'a{3}b?', ignore_eos: true })).toBe('aaab');
  });

  test('a grammar that takes too long, or that XGrammar cannot read, is a 400 that says so; others go on', async () => {
    const strict = await serverForTest(['--grammar-timeout-ms', '60']);
    const slow = {
      type: 'object',
      properties: Object.fromEntries(
        Array.from({ length: 1000 }, (_, at) => [`p${at}`, { type: 'string', minLength: at % 50, maxLength: 100 }]),
      ),
    };
    const refused = await complete(strict.url, { prompt: 'a', guided_json: slow });
    expect(refused).toMatchObject({ status: 400, error: { code: 'grammar_failed', param: 'guided_json' } });
    expect(refused.error?.message).toContain('within grammarTimeoutMs (60 ms)');
    const broken = await complete(strict.url, { prompt: 'a', guided_grammar: 'root ::= "a' });
    expect(broken).toMatchObject({ status: 400, error: { code: 'grammar_failed', param: 'guided_grammar' } });
    expect(await complete(strict.url, { prompt: 'a', guided_choice: ['b'] })).toMatchObject({ status: 200, text: 'b' });
  });
});
