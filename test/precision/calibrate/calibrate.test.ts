// A whole calibration: texts and chats read, interrupted and gone on with to the same bits, and every broken input answered.

import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { LlamaModel } from '../../../src/llama/model.ts';
import { createTokenizer } from '../../../src/llama/tokenizer.ts';
import { type CalibrationWish, calibrate } from '../../../src/precision/calibrate/calibrate.ts';
import { readMatrixFile } from '../../../src/precision/calibrate/matrix-file.ts';
import { readCalibrationTokens, type TextFormat } from '../../../src/precision/calibrate/read-texts.ts';
import { loadForTests, loadTestModel } from '../../llama/loaded.ts';
import { demoModelPath, tinyModelPath } from '../models.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'octet-calibrate-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const inFolder = (name: string) => join(folder, name);
function fileOf(name: string, content: string): string {
  writeFileSync(inFolder(name), content);
  return inFolder(name);
}

interface Run {
  readonly interruptAfter?: number;
  readonly saveMs?: number;
  readonly warnings?: string[];
}

function run(wish: Partial<CalibrationWish>, { interruptAfter, saveMs = 0, warnings = [] }: Run = {}) {
  const controller = new AbortController();
  const advance = (done: number) => done === interruptAfter && controller.abort();
  return calibrate(
    {
      modelPath: tinyModelPath,
      target: inFolder('out.gguf'),
      paths: [fileOf('story.txt', 'Once upon a time there was a little dog.\n'.repeat(60))],
      format: 'auto',
      parsesSpecial: false,
      skipBroken: false,
      contextTokens: 64,
      windowsMax: undefined,
      hasOutput: false,
      threads: 1,
      gpuLayers: 0,
      ...wish,
    },
    {
      libraries: loadForTests(),
      progress: { start: () => undefined, advance },
      tell: (text) => warnings.push(text),
      signal: controller.signal,
      saveMs,
    },
  );
}

describe('interrupted', () => {
  test('and gone on with, it gives the very file of a run in one piece', async () => {
    const whole = inFolder('whole.gguf');
    const finished = await run({ target: whole });
    expect(finished).toMatchObject({ kind: 'finished', matrix: { chunkTokens: 64 } });
    const target = inFolder('pieces.gguf');
    const stopped = await run({ target }, { interruptAfter: 2 });
    expect(stopped).toMatchObject({ kind: 'interrupted', doneCount: 2 });
    expect(existsSync(target)).toBe(false);
    const warnings: string[] = [];
    expect(await run({ target }, { warnings })).toMatchObject({ kind: 'finished' });
    expect(warnings).toEqual([expect.stringMatching(/on \d+ windows of 64 tokens, going on after 2$/)]);
    expect(readFileSync(target).equals(readFileSync(whole))).toBe(true);
    expect(existsSync(`${target}.partial`)).toBe(false);
  });

  test('what was measured with another setting is not gone on with', async () => {
    const target = inFolder('other.gguf');
    await run({ target }, { interruptAfter: 1 });
    const warnings: string[] = [];
    expect(await run({ target, contextTokens: 32 }, { warnings, interruptAfter: 1 })).toMatchObject({ doneCount: 1 });
    expect(warnings[0]).toMatch(/other\.gguf\.partial is left out \(it is of another model, text or setting\)/);
    writeFileSync(`${target}.partial`, 'broken');
    expect(await run({ target }, { warnings })).toMatchObject({ kind: 'finished' });
    expect(warnings[2]).toMatch(/is left out/);
  });
});

test('the output layer is measured when asked for, and the number of windows can be bounded', async () => {
  const outcome = await run({ target: inFolder('output.gguf'), hasOutput: true, windowsMax: 2 });
  expect(outcome).toMatchObject({ kind: 'finished', tokenCount: 128 });
  const { entries, chunkCount } = await readMatrixFile(inFolder('output.gguf'));
  expect(chunkCount).toBe(2);
  expect(entries.get('output.weight')?.counts).toEqual(Float32Array.of(128));
});

describe('refused, with the limit and what was given', () => {
  test.each([
    ['an empty text', { paths: ['empty.txt'] }, /empty\.txt must have text. Given: none/],
    ['a binary file', { paths: ['binary.txt'] }, /must be a text file. Found: a NUL character in line 2/],
    ['too short a text', { paths: ['short.txt'] }, /must have at least 64 tokens, one window of --context. Given: \d+/],
    ['a missing text', { paths: ['none.txt'] }, /does not exist: .*none\.txt/],
  ])('%s', async (_, { paths }, reason) => {
    fileOf('empty.txt', '');
    fileOf('binary.txt', 'one\ntwo\0');
    fileOf('short.txt', 'only this');
    await expect(run({ paths: paths.map(inFolder) })).rejects.toThrow(reason);
  });

  test('a target that is no importance matrix', async () => {
    const target = fileOf('model.gguf', 'precious');
    await expect(run({ target })).rejects.toThrow(/must not exist, or be an importance matrix.*Given: .*model\.gguf/);
    expect(readFileSync(target, 'utf8')).toBe('precious');
  });
});

describe('chat files', () => {
  let model: LlamaModel;
  beforeAll(async () => {
    model = await loadTestModel(demoModelPath, 'vocabulary');
  });
  afterAll(() => model.dispose());

  const line = (...messages: readonly unknown[]) => JSON.stringify({ messages });
  const user = (content: unknown) => ({ role: 'user', content });
  async function read(path: string, skipBroken = false, format: TextFormat = 'auto') {
    const warnings: string[] = [];
    const warn = (text: string) => warnings.push(text);
    const { tokens } = await readCalibrationTokens(model, {
      paths: [path],
      format,
      parsesSpecial: false,
      skipBroken,
      warn,
    });
    return { tokens: [...tokens], warnings };
  }

  test('are rendered by the template, one conversation after another, with nothing to be generated', async () => {
    const answer = { role: 'assistant', content: 'Hello.' };
    const path = fileOf('chat.jsonl', `${line(user('Hi'), answer)}\n\n${JSON.stringify({ text: 'Plain.' })}\n`);
    const tokenizer = createTokenizer(model);
    const rendered = '<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nHello.<|im_end|>\n';
    expect((await read(path)).tokens).toEqual([
      ...tokenizer.tokenize(rendered, { bos: true, special: true }),
      ...tokenizer.tokenize('Plain.', { bos: true, special: false }),
    ]);
    const parts = fileOf(
      'parts.jsonl',
      line(
        user([
          { type: 'text', text: 'H' },
          { type: 'text', text: 'i' },
        ]),
        answer,
      ),
    );
    const once = tokenizer.tokenize(rendered, { bos: true, special: true });
    expect((await read(parts)).tokens).toEqual([...once]);
  });

  test('broken lines are listed by number and counted, or left out when that is asked for', async () => {
    const path = fileOf(
      'broken.jsonl',
      [line(user('Good')), '{', line(user(3)), '{"prompt": "x"}', JSON.stringify({ messages: [] })].join('\n'),
    );
    await expect(read(path)).rejects.toThrow(
      /has 4 broken lines, beside 1 good ones:\n {2}line 2: is no JSON.*\n {2}line 3: messages\.0\.content: must be text, or a list of text parts\n {2}line 4: .*must have either messages or text\n {2}line 5: messages/,
    );
    const { tokens, warnings } = await read(path, true);
    expect(tokens.length).toBeGreaterThan(3);
    expect(warnings[0]).toMatch(/4 broken lines.*left out because of --skip-broken/s);
  });

  test('a model without a template reads plain lines alone, and says so of others', async () => {
    const path = fileOf('mixed.jsonl', `${JSON.stringify({ text: 'Plain. '.repeat(40) })}\n${line(user('Hi'))}\n`);
    await expect(run({ paths: [path] })).rejects.toThrow(
      /has 1 broken lines, beside 1 good ones:\n {2}line 2: the model has no chat template, so that .* {"text": \.\.\.}/,
    );
  });

  test('the format can be told where the name says nothing', async () => {
    const path = fileOf('chat.data', line(user('Hi')));
    expect((await read(path, false, 'chat')).tokens).not.toEqual((await read(path)).tokens);
  });
});
