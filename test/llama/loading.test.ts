// Finding and checking the native libraries, their log, and files that are no model.

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadLibraries } from '../../src/llama/libraries.ts';
import { findLibraryPackage, libraryFiles } from '../../src/llama/library-packages.ts';
import { createNativeLog } from '../../src/llama/native-log.ts';
import { checkRelease } from '../../src/llama/release-check.ts';
import { checkGguf, isRemote, resolveModelSource } from '../../src/llama/source.ts';
import { demoModelPath, loadForTests, loadTestModel } from './loaded.ts';

const storiesPath = new URL('../fixtures/stories260K/stories260K-f16.gguf', import.meta.url).pathname;
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'octet-loading-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

function fileOf(name: string, content: Uint8Array | string): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

describe('libraries', () => {
  test('on the CPU come from the platform package and say so', () => {
    const libraries = loadForTests();
    expect(libraries.gpu).toBe('off');
    expect(libraries.reason).toMatch(/^CPU, from @node-llama-cpp\/\w+-\w+/);
    expect(libraries.native.ggml_backend_dev_count()).toBeGreaterThan(0);
  });

  test('loaded a second time are the same', () => {
    expect(loadForTests()).toBe(loadForTests());
  });

  test('of another build are refused once some are loaded', () => {
    const other = join(folder, 'other');
    mkdirSync(other);
    expect(() => loadLibraries({ gpu: 'off', folder: other, log: () => undefined })).toThrow(
      /already loaded the libraries in/,
    );
  });

  test('of any other kind that is not usable are refused with the reasons', () => {
    expect(() =>
      loadLibraries({ gpu: process.platform === 'darwin' ? 'cuda' : 'metal', log: () => undefined }),
    ).toThrow(/not installed/);
  });

  test('are found by pattern, whatever their build calls them', () => {
    const named = join(folder, 'named');
    mkdirSync(named);
    for (const name of [
      'libllama.cuda.v0.5.0.so',
      'libllama-common.so',
      'libggml.so',
      'libggml-base.so',
      'libggml-cpu-zen4.so',
    ])
      writeFileSync(join(named, name), '');
    const files = libraryFiles(named);
    expect([files.llama, files.ggml, files.ggmlBase].map((path) => path.slice(named.length + 1))).toEqual([
      'libllama.cuda.v0.5.0.so',
      'libggml.so',
      'libggml-base.so',
    ]);
    const real = findLibraryPackage('off');
    expect(real && libraryFiles(real.binsDir).llama).toMatch(/llama/);
  });

  test('in a folder without them are refused by name', () => {
    const empty = join(folder, 'empty');
    mkdirSync(empty);
    expect(() => libraryFiles(empty)).toThrow(/must hold the ggml-base library. Found: /);
    expect(() => libraryFiles(join(folder, 'absent'))).toThrow(/no such folder/);
  });
});

describe('the release check', () => {
  const { native } = loadForTests();

  test('accepts the pinned release', () => {
    expect(() => checkRelease(native)).not.toThrow();
  });

  test('names the version it expects and the one it found', () => {
    expect(() => checkRelease({ ...native, llama_version: () => '0.6.1' })).toThrow(
      /must be 0\.5\.0-dev.*Found: 0\.6\.1/,
    );
  });

  test('names the fields whose defaults do not fit', () => {
    const shifted = () => ({ ...native.llama_context_default_params(), n_batch: 512, kv_unified: true });
    expect(() => checkRelease({ ...native, llama_context_default_params: shifted })).toThrow(
      /llama_context_params.n_batch must be 2048. Found: 512; llama_context_params.kv_unified must be false. Found: true/,
    );
  });
});

describe('the native log', () => {
  function record() {
    const lines: string[] = [];
    const log = createNativeLog((level, text) => lines.push(`${level}: ${text}`));
    return { lines, log };
  }

  test('joins continued pieces into one line', () => {
    const { lines, log } = record();
    log.write(2, 'layers: ');
    log.write(5, '1, ');
    log.write(5, '2\n');
    log.write(3, 'careful\n');
    expect(lines).toEqual(['info: layers: 1, 2', 'warn: careful']);
  });

  test('tells what an attempt failed at as a detail, and what comes after it as what it is', () => {
    const lines: string[] = [];
    const log = createNativeLog((level, text) => lines.push(`${level}: ${text}`));
    expect(
      log.quietly(() => {
        log.write(4, 'no room\n');
        return 7;
      }),
    ).toBe(7);
    expect(() =>
      log.quietly(() => {
        throw new Error('lost');
      }),
    ).toThrow('lost');
    log.write(4, 'broken\n');
    expect(lines).toEqual(['debug: no room', 'error: broken']);
    // Nor is it the reason of what fails later.
    expect(log.takeErrors()).toEqual(['broken']);
  });

  test('keeps what was begun when another line starts, and splits pieces with several', () => {
    const { lines, log } = record();
    log.write(1, 'begun');
    log.write(4, 'a\n\nb\nrest');
    log.write(2, '\n');
    expect(lines).toEqual(['debug: begun', 'error: a', 'error: b', 'error: rest']);
  });

  test('remembers the last errors once, and tells listeners until they stop', () => {
    const { log } = record();
    const heard: string[] = [];
    const stop = log.listen((text) => heard.push(text));
    for (let index = 0; index < 6; index++) log.write(4, `e${index}\n`);
    stop();
    log.write(2, 'unheard\n');
    expect(log.takeErrors()).toEqual(['e2', 'e3', 'e4', 'e5']);
    expect(log.takeErrors()).toEqual([]);
    expect(heard).toEqual(['e0', 'e1', 'e2', 'e3', 'e4', 'e5']);
  });
});

describe('a model source', () => {
  test.each([
    ['that does not exist', () => join(folder, 'none.gguf'), /does not exist/],
    ['that is a folder', () => folder, /must be a GGUF file/],
    ['that is empty', () => fileOf('empty.gguf', ''), /at least 24 bytes. Given: .* with 0/],
    ['that is a web page', () => fileOf('page.gguf', '<!doctype html><html></html>'), /page.gguf begins with "<!do"/],
    [
      'of an unknown version',
      () => fileOf('v9.gguf', Buffer.concat([Buffer.from('GGUF\t\0\0\0'), Buffer.alloc(16)])),
      /2 or 3. v9.gguf has 9/,
    ],
  ])('%s is refused', async (_, make, words) => {
    await expect(resolveModelSource(make(), { directory: folder })).rejects.toThrow(words);
  });

  test('that is a file is taken as it is', async () => {
    expect(await resolveModelSource(demoModelPath, { directory: folder })).toBe(demoModelPath);
    expect(['hf:a/b:Q8_0', 'https://x/y.gguf', 'HTTP://x/y.gguf'].map(isRemote)).toEqual([true, true, true]);
    expect(['models/a.gguf', '/hf/a.gguf', 'C:\\a.gguf'].map(isRemote)).toEqual([false, false, false]);
  });

  test('that is a URL is downloaded, with progress, and found again', async () => {
    const content = readFileSync(storiesPath);
    const server = createServer((request, response) => {
      if (request.url !== '/models/stories.gguf') {
        response.writeHead(404).end();
        return;
      }
      const [, from = '0', to = ''] = /bytes=(\d+)-(\d*)/.exec(request.headers.range ?? '') ?? [];
      const part = content.subarray(Number(from), to === '' ? content.length : Number(to) + 1);
      response.setHeader('accept-ranges', 'bytes');
      response.setHeader('content-length', part.length);
      if (request.headers.range !== undefined) {
        response.statusCode = 206;
        response.setHeader('content-range', `bytes ${from}-${Number(from) + part.length - 1}/${content.length}`);
      }
      response.end(request.method === 'HEAD' ? undefined : part);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/models/stories.gguf`;
    const directory = join(folder, 'downloads');
    let last = { downloadedBytes: 0, totalBytes: 0 };
    const path = await resolveModelSource(url, { directory, onProgress: (progress) => (last = progress) });
    expect(readFileSync(path).equals(content)).toBe(true);
    expect(last).toEqual({ downloadedBytes: content.length, totalBytes: content.length });
    expect(await resolveModelSource(url, { directory })).toBe(path);
    await expect(resolveModelSource(`${url}.absent`, { directory })).rejects.toThrow(/cannot download the model .*404/);
    server.closeAllConnections();
    server.close();
  });
});

test('a server that does not answer is given up', async () => {
  const nowhere = resolveModelSource('http://127.0.0.1:1/a.gguf', { directory: folder, silenceMsMax: 200 });
  await expect(nowhere).rejects.toThrow(/cannot download the model .*nothing came for 0.2 seconds/);
});

describe('a model file', () => {
  test('that was cut off is refused in llama.cpp’s own words', async () => {
    const whole = readFileSync(storiesPath);
    const short = fileOf('short.gguf', whole.subarray(0, whole.length - 1000));
    await expect(checkGguf(short)).resolves.toBeUndefined();
    await expect(loadTestModel(short)).rejects.toThrow(/cannot load the model .*short.gguf: .*(corrupted|incomplete)/);
  });

  test('whose header is nonsense is refused', async () => {
    const nonsense = fileOf('nonsense.gguf', Buffer.concat([Buffer.from('GGUF\x03\0\0\0'), Buffer.alloc(64, 0xff)]));
    await expect(loadTestModel(nonsense)).rejects.toThrow(/cannot load the model .*nonsense.gguf/);
  });
});
