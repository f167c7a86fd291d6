// What the operator reads at start.

import { describe, expect, test } from 'vitest';
import type { EngineCapacity } from '../../src/capacity-port.ts';
import type { CanaryNumbers, PrecisionStatus } from '../../src/precision-status.ts';
import {
  curlLine,
  formatKvCapacity,
  formatMemoryPlan,
  formatProgress,
  formatSettings,
  formatStartBanner,
  kvPrecision,
  serverUrl,
  visibleSettings,
} from '../../src/server/banner.ts';
import { loadSettings } from '../../src/server/settings.ts';
import { settingList } from '../../src/server/settings-list.ts';

const capacity: EngineCapacity = {
  contextTokensMax: 8192,
  blockTokens: 16,
  blockCount: 4096,
  sequencesMax: 32,
  kvTypeK: 'q8_0',
  kvTypeV: 'q8_0',
  kvBytesPerToken: 65_536,
  kvLayout: 'pooled',
  weightBytes: 8.5 * 1024 ** 3,
  memory: { device: 'the host', rows: [], availableBytes: undefined },
  gpu: 'cpu',
  gpuReason: 'CPU, from the installed package',
  prefixSharing: { kind: 'blocks' },
};

const numbers: CanaryNumbers = {
  tokenCount: 3832,
  tokensPlanned: 3832,
  divergence: { mean: 0.00328, standardError: 0.0002, median: 0.001, p99: 0.03, max: 0.2 },
  topAgreement: 0.9681,
  flips: { gained: 12, lost: 10 },
  perplexity: 20.1,
  referencePerplexity: 20,
  seconds: 2.5,
};

const precision: PrecisionStatus = {
  weights: 'f16',
  kv: { k: 'q8_0', v: 'q8_0' },
  kvWished: { k: 'q8_0', v: 'q8_0' },
  mode: 'warn',
  verdict: 'passed',
  reason: 'within the limits',
  limits: { divergenceMax: 0.05, agreementMin: 0.85 },
  numbers,
  isCached: false,
  climbed: [],
};

function load(argv: readonly string[], env: Record<string, string> = {}) {
  const loaded = loadSettings({ argv: ['serve', ...argv], env });
  if (loaded.kind !== 'settings') throw new Error(JSON.stringify(loaded));
  return loaded;
}

describe('settings', () => {
  const secretKey = 'sk-never-print-this';
  const url = 'https://user:hunter2@example.org/m.gguf?token=abc';
  const { settings, sources } = load(['--port', '9000', '--model', url], { OCTET_API_KEYS: secretKey });

  test('all are shown, with the source of what is not the default', () => {
    const text = formatSettings(settings, sources);
    for (const { name } of settingList) expect(text).toMatch(new RegExp(`\\b${name} `));
    expect(text).toContain('port 9000 (flag --port)');
    expect(text).toContain('host 127.0.0.1,');
    expect(text).toContain('bodyBytesMax 10.0 MiB');
    expect(text).toContain("apiKeysFile ''");
  });

  test('secrets and credentials are not', () => {
    const text = formatSettings(settings, sources) + JSON.stringify(visibleSettings(settings));
    expect(text).toContain('apiKeys 1 given');
    expect(text).toContain('https://example.org/m.gguf');
    for (const secret of [secretKey, 'hunter2', 'token=abc']) expect(text).not.toContain(secret);
  });

  test('what is no web address stays as it is', () => {
    for (const model of ['hf:owner/repo:Q8_0', 'C:\\models\\a.gguf', './a.gguf?b']) {
      expect(visibleSettings(load(['--model', model]).settings)['model']).toBe(model);
    }
  });
});

describe('memory plan', () => {
  const rows = [
    { part: 'weights', bytes: 8 * 1024 ** 3, detail: '' },
    { part: 'compute buffers', bytes: 300 * 1024 ** 2, detail: 'batches of 512 tokens' },
    { part: 'KV cache', bytes: 4 * 1024 ** 3, detail: '4,096 blocks of 16 tokens' },
  ];

  test('adds up and says what remains', () => {
    expect(formatMemoryPlan({ device: 'GPU 0', rows, availableBytes: 16 * 1024 ** 3 })).toBe(
      [
        'Memory plan for GPU 0',
        '  weights            8.0 GiB',
        '  compute buffers  300.0 MiB  batches of 512 tokens',
        '  KV cache           4.0 GiB  4,096 blocks of 16 tokens',
        '  sum               12.3 GiB  of 16.0 GiB free, 3.7 GiB remain',
      ].join('\n'),
    );
  });

  test('says by how much it does not fit, or nothing when the device does not tell', () => {
    expect(formatMemoryPlan({ device: 'GPU 0', rows, availableBytes: 8 * 1024 ** 3 })).toContain('4.3 GiB too much');
    expect(formatMemoryPlan({ device: 'CPU', rows, availableBytes: undefined })).toMatch(/12\.3 GiB$/);
  });
});

describe('banner', () => {
  test('capacity in words', () => {
    expect(formatKvCapacity(capacity)).toBe('int8 KV: 4,096 blocks of 16 = 65,536 tokens, about 32 requests of 2K');
    expect(formatKvCapacity({ ...capacity, contextTokensMax: 500, blockCount: 32 })).toBe(
      'int8 KV: 32 blocks of 16 = 512 tokens, about 1 request of 500',
    );
  });

  test.each([
    ['q8_0', 'q8_0', 'int8 KV'],
    ['f16', 'f16', '16-bit float KV'],
    ['q8_0', 'q4_0', 'int8 K and int4 V'],
    ['new', 'new', 'new KV'],
  ])('%s:%s is %s', (k, v, words) => {
    expect(kvPrecision(k, v)).toBe(words);
  });

  test.each([
    ['127.0.0.1', 'http://127.0.0.1:80'],
    ['0.0.0.0', 'http://localhost:80'],
    ['::', 'http://localhost:80'],
    ['::1', 'http://[::1]:80'],
    ['example.org', 'http://example.org:80'],
  ])('%s is shown as %s', (host, url) => {
    expect(serverUrl(host, 80)).toBe(url);
  });

  const facts = { version: '0.1.0', url: 'http://127.0.0.1:8080', modelName: 'demo', precision, capacity };

  test('tells address, model, precision, capacity and how to call it', () => {
    const text = formatStartBanner({ ...facts, needsKey: false });
    expect(text).toContain('Octet 0.1.0 serves on http://127.0.0.1:8080');
    expect(text).toContain('demo (f16 weights, 8.5 GiB)');
    expect(text).toMatch(
      /precision +q8_0 KV: KL 0\.0033 ± 0\.0002 nats, top-1 agreement 96\.8 %, flips \+12 -10 of 3,832 tokens/,
    );
    expect(text).toContain('against f16 KV on the same weights: within the limits');
    expect(text).toContain('32 requests of 2K (4.0 GiB)');
    expect(text).toMatch(/device +CPU, from the installed package/);
    expect(text).toContain('shared by blocks');
    expect(text).toMatch(/layout +pooled\n/);
    const chosen = { ...capacity, kvLayoutChoice: { basis: 'setting', reason: 'as set' } } as const;
    expect(formatStartBanner({ ...facts, needsKey: false, capacity: chosen })).toMatch(/layout +pooled: as set\n/);
    expect(text).not.toContain('authorization');
    expect(text).not.toContain('adapters');
    const tuning = {
      kind: 'tuned',
      at: '2026-11-26T04:00:00Z',
      settings: { threads: 4 },
      overridden: [],
      loads: [],
    } as const;
    expect(formatStartBanner({ ...facts, needsKey: false, tuning })).toContain(
      'tuned     threads 4 (found on 2026-11-26)',
    );
    const withAdapters = formatStartBanner({ ...facts, needsKey: false, adapterIds: ['demo:sql', 'demo:code'] });
    expect(withAdapters).toMatch(/adapters +demo:sql, demo:code/);
    const prefixSharing = { kind: 'none', reason: 'sliding window' } as const;
    const other = formatStartBanner({ ...facts, needsKey: true, capacity: { ...capacity, prefixSharing } });
    expect(other).toContain('not shared: sliding window');
    expect(other).toContain('authorization: Bearer');
  });

  test('the curl line holds valid JSON, also for a name with quotes', () => {
    const line = curlLine({ ...facts, modelName: `o'neil"s`, needsKey: false });
    const quoted = line.slice(line.indexOf("-d '") + 4, -1);
    expect(JSON.parse(quoted.replaceAll("'\\''", "'"))).toMatchObject({ model: `o'neil"s`, stream: true });
  });
});

describe('progress', () => {
  test.each([
    [0, 'load [..........]   0%'],
    [0.426, 'load [####......]  42%'],
    [1, 'load [##########] 100%'],
    [7, 'load [##########] 100%'],
  ])('%d', (fraction, line) => {
    expect(formatProgress('load', fraction, 22)).toBe(line);
  });

  test('never wider than the terminal, when there is room for anything', () => {
    for (let columns = 20; columns < 200; columns++) {
      expect(formatProgress('loading model', 0.5, columns).length).toBeLessThanOrEqual(columns);
    }
    expect(formatProgress('loading model', 0.5, 10)).toBe('loading model 50%');
  });
});
