// octet calibrate as a user runs it: compiled, in a process of its own; and what it writes, used by the other commands.

import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { distFolder, root, serverForTest, tinyModel } from './server.ts';
import { eventually } from './waiting.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'octet-e2e-calibrate-'));
  writeFileSync(inFolder('text.txt'), 'The sun was warm, and the cat slept on the wall. '.repeat(100));
});
afterAll(() => rmSync(folder, { recursive: true }));

const inFolder = (name: string) => path.join(folder, name);
const program = path.join(distFolder, 'src/server/main.js');

function start(...args: readonly string[]) {
  const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  const texts = { out: '', err: '' };
  child.stdout.on('data', (piece) => {
    texts.out += piece;
  });
  child.stderr.on('data', (piece) => {
    texts.err += piece;
  });
  const ended = new Promise<{ code: number | null; out: string; err: string }>((resolve) =>
    child.once('close', (code) => resolve({ code, ...texts })),
  );
  return { child, texts, ended };
}

const octet = (...args: string[]) => start(...args).ended;
const calibrateTiny = (target: string, ...more: string[]) => [
  'calibrate',
  '--model',
  tinyModel,
  '--text',
  inFolder('text.txt'),
  '--out',
  inFolder(target),
  '--context',
  '64',
  '--threads',
  '1',
  ...more,
];

const statisticsSchema = z.object({
  chunkCount: z.number(),
  tensors: z.array(z.object({ tensor: z.string(), sum: z.number(), topShare: z.number(), entropyBits: z.number() })),
});

test('makes a matrix that quantizing and serving use, and tells what it says', async () => {
  const made = await octet(...calibrateTiny('tiny.gguf', '--chunks', '6'));
  expect(made).toMatchObject({ code: 0, err: 'calibrating on 6 windows of 64 tokens\n' });
  expect(made.out).toMatch(
    /blk\.0\.attn_q\.weight +64 .*\n[\s\S]*tiny\.gguf: 35 tensors on 6 windows of 64 tokens, written in [\d.]+ s/,
  );
  const shown = await octet('calibrate', '--show', inFolder('tiny.gguf'), '--json');
  const statistics = statisticsSchema.parse(JSON.parse(shown.out));
  expect([statistics.chunkCount, statistics.tensors.length]).toEqual([6, 35]);
  const quantize = ['quantize', tinyModel, inFolder('q.gguf'), '--to', 'iq4_nl', '--threads', '1'];
  expect(await octet(...quantize, '--imatrix', inFolder('tiny.gguf'))).toMatchObject({ code: 0 });
  const server = await serverForTest([
    ...['--model', tinyModel, '--kv', 'f16', '--weights', 'iq4_nl', '--imatrix', inFolder('tiny.gguf')],
    ...['--weights-cache', inFolder('cache'), '--weights-cache-max', '1GiB'],
  ]);
  expect(await server.logged('weights ready')).toMatchObject({ weights: { label: 'iq4_nl', reused: false } });
  const served = z.object({ weights: z.object({ path: z.string() }) }).parse(await server.logged('weights ready'));
  expect(readFileSync(served.weights.path).includes('quantize.imatrix.entries_count')).toBe(true);
  await server.stop();
  expect((await octet('cache', '--folder', inFolder('cache'))).out).toMatch(/1 file .* limit 1\.0 GiB\n$/);
});

test('interrupted, it keeps what it has, and the same command goes on', async () => {
  const text = path.join(root, 'tools/demo-model/data/lm_valid.txt');
  const args = ['calibrate', '--model', tinyModel, '--text', text, '--out', inFolder('resumed.gguf'), '--threads', '1'];
  const { child, texts, ended } = start(...args, '--context', '128', '--chunks', '40');
  await eventually('it has begun', () => texts.err.includes('calibrating on 40 windows of 128 tokens'));
  child.kill('SIGINT');
  const stopped = await ended;
  expect(stopped).toMatchObject({ code: 130, out: '' });
  expect(stopped.err).toMatch(/interrupted after \d+ of 40 windows; the same command goes on from there/);
  expect(existsSync(inFolder('resumed.gguf'))).toBe(false);
  const resumed = await octet(...args, '--context', '128', '--chunks', '40');
  expect(resumed).toMatchObject({ code: 0, err: expect.stringMatching(/going on after \d+$/m) });
  expect(existsSync(inFolder('resumed.gguf'))).toBe(true);
  expect(existsSync(inFolder('resumed.gguf.partial'))).toBe(false);
});

test('faults of the command line are told all at once', async () => {
  expect((await octet('calibrate', '--model', tinyModel)).err).toMatch(/--text FILE, --out FILE\.gguf must be given/);
  const { code, err } = await octet(...calibrateTiny('x.gguf', '--chunks', '0', '--gpu', 'abacus', '--format', 'pdf'));
  expect(code).toBe(2);
  expect(err).toMatch(
    /--chunks must be an integer from 1 .*Given: 0; --format must be one of auto, text, chat. Given: pdf; --gpu/,
  );
  expect((await octet('calibrate', '--show', inFolder('none.gguf'))).err).toMatch(/does not exist: .*none\.gguf/);
});
