// The commands quantize and cache as a user runs them: compiled, in processes of their own.

import { type SpawnOptions, spawn } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { demoModel, distFolder, tinyModel } from './server.ts';
import { eventually } from './waiting.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'octet-e2e-quantize-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const program = path.join(distFolder, 'src/server/main.js');

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

function start(args: readonly string[], options: SpawnOptions = {}) {
  const child = spawn(process.execPath, [program, ...args], { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
  let [out, err] = ['', ''];
  child.stdout?.on('data', (piece) => {
    out += piece;
  });
  child.stderr?.on('data', (piece) => {
    err += piece;
  });
  const ended = new Promise<Ended>((resolve) => child.once('close', (code) => resolve({ code, out, err })));
  return { child, ended };
}

const octet = (...args: string[]): Promise<Ended> => start(args).ended;
const inFolder = (name: string) => path.join(folder, name);

const planSchema = z.object({
  bytesAfter: z.number(),
  fileBytes: z.number(),
  bitsPerWeight: z.number(),
  tensors: z.array(z.object({ bytes: z.number() })),
});

test('a dry run tells what would be written, and that is what is written', async () => {
  const dry = await octet('quantize', tinyModel, '--to', 'q4_k_m', '--dry-run', '--json');
  const plan = planSchema.parse(JSON.parse(dry.out));
  expect(plan.tensors.reduce((sum, { bytes }) => sum + bytes, 0)).toBe(plan.bytesAfter);
  const text = await octet('quantize', tinyModel, '--to', 'int4', '--dry-run');
  expect(text.out).toMatch(/blk\.0\.ffn_up\.weight +64 × 172 +f16 -> q5_0 +7\.4 KiB +not q4_k: rows of 64/);
  expect(text.out).toMatch(/int4: 48 tensors, .* bits per weight/);
  const target = inFolder('tiny.gguf');
  const written = await octet('quantize', tinyModel, target, '--to', 'Q4_K_M', '--threads', '1');
  expect(written).toMatchObject({ code: 0, err: '' });
  expect(written.out).toMatch(
    /tiny\.gguf: q4_k_m: 48 tensors, .* bits per weight; a file of [\d,]+ bytes, written in [\d.]+ s/,
  );
  expect(statSync(target).size).toBe(plan.fileBytes);
});

test('refuses what would destroy something, each with what to do', async () => {
  const source = inFolder('source.gguf');
  copyFileSync(tinyModel, source);
  const existing = inFolder('existing.gguf');
  writeFileSync(existing, 'mine');
  const refused = async (args: readonly string[], reason: RegExp) => {
    const { code, err } = await octet('quantize', ...args);
    expect(err).toMatch(reason);
    expect(code).not.toBe(0);
  };
  await refused([source, source, '--to', 'q8_0', '--force'], /target must be another file than the source/);
  await refused([source, existing, '--to', 'q8_0'], /target must not exist, or --force replaces it/);
  expect(readFileSync(existing, 'utf8')).toBe('mine');
  await refused(
    [source, inFolder('no-folder/x.gguf'), '--to', 'q8_0'],
    /folder of the target must exist. Given: .*no-folder/,
  );
  await refused([demoModel, inFolder('x.gguf'), '--to', 'iq2_xxs'], /iq2_xxs needs an importance matrix/);
  await refused([source, inFolder('x.gguf'), '--to', 'q4_k'], /did you mean q4_k_/);
  await refused([source, inFolder('x.gguf')], /--to TYPE or --emulate FORMAT must be given/);
  await refused([source, '--to', 'q8_0'], /file to write is missing/);
  await refused(
    [source, inFolder('x.gguf'), '--to', 'q8_0', '--threads', 'all'],
    /--threads must be an integer.*Given: all/,
  );
  await refused([existing, inFolder('x.gguf'), '--to', 'q8_0'], /must have at least 24 bytes|GGUF/);
  expect(existsSync(inFolder('x.gguf'))).toBe(false);
  expect((await octet('quantize', source, existing, '--to', 'q8_0', '--force')).code).toBe(0);
  await refused([existing, inFolder('x.gguf'), '--to', 'q4_0'], /quantized already .*--allow-requantize/);
  expect((await octet('quantize', existing, inFolder('x.gguf'), '--to', 'q4_0', '--allow-requantize')).code).toBe(0);
});

test('interrupted, it leaves nothing behind', async () => {
  const empty = mkdtempSync(path.join(folder, 'empty-'));
  const { child, ended } = start([
    'quantize',
    demoModel,
    path.join(empty, 'q.gguf'),
    '--to',
    'q5_k_m',
    '--threads',
    '1',
  ]);
  await eventually('the file is begun', () => readdirSync(empty).some((name) => name.endsWith('.partial')));
  child.kill('SIGINT');
  expect(await ended).toMatchObject({
    code: 130,
    out: '',
    err: expect.stringMatching(/interrupted; nothing was written/),
  });
  expect(readdirSync(empty)).toEqual([]);
});

test('the cache is listed and cleared', async () => {
  const cache = mkdtempSync(path.join(folder, 'cache-'));
  const octetThere = (...args: string[]) => octet('cache', ...args, '--folder', cache);
  expect(await octetThere()).toMatchObject({ code: 0, out: `0 files (0 B) in ${cache}, no limit\n` });
  writeFileSync(path.join(cache, 'q8_0-1.gguf'), Buffer.alloc(2048));
  writeFileSync(
    path.join(cache, 'q8_0-1.json'),
    JSON.stringify({ model: 'm.gguf', source: '/m.gguf', format: 'q8_0' }),
  );
  expect((await octetThere('list')).out).toMatch(
    /model +weights +size +last used\nm\.gguf +q8_0 +2\.0 KiB +\d{4}-.*\n1 file \(2\.0 KiB\) in .*, no limit\n$/,
  );
  expect((await octetThere('clear')).out).toMatch(/removed 0 files .*\nkept 1 file .*--force/);
  expect((await octetThere('clear', '--older-than', '30', '--force')).out).toMatch(/removed 0 files/);
  expect((await octetThere('clear', '--force')).out).toMatch(/removed 1 file \(2\.0 KiB\)/);
  expect(readdirSync(cache)).toEqual([]);
  expect((await octetThere('clean')).err).toMatch(/action must be list or clear. Given: clean/);
});
