// Settings from flags, environment and file: precedence, forms, faults, and the documents made from the schema.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { formatBytes } from '../../src/format.ts';
import { defaultConfigText, settingTables, withSection } from '../../src/server/document-tables.ts';
import { loadSettings } from '../../src/server/settings.ts';
import { describeFault, describeFaults, type SettingFault } from '../../src/server/settings-faults.ts';
import { parseByteSize } from '../../src/server/settings-forms.ts';
import { settingList } from '../../src/server/settings-list.ts';

const root = resolve(import.meta.dirname, '..', '..');
const folder = mkdtempSync(join(tmpdir(), 'octet-settings-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

type Environment = Record<string, string>;

function load(flags: string, env: Environment = {}) {
  return loadSettings({ argv: ['serve', ...flags.split(' ').filter((part) => part !== '')], env });
}

function settingsOf(flags: string, env: Environment = {}) {
  const loaded = load(flags, env);
  if (loaded.kind !== 'settings') throw new Error(JSON.stringify(loaded));
  return loaded;
}

function faultsOf(flags: string, env: Environment = {}): readonly SettingFault[] {
  const loaded = load(flags, env);
  return loaded.kind === 'faults' ? loaded.faults : [];
}

function messagesOf(flags: string, env: Environment = {}): string[] {
  return faultsOf(flags, env).map(describeFault);
}

function configFile(content: unknown): string {
  const path = join(folder, `${Math.abs(hash(JSON.stringify(content)))}.json`);
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
}

function hash(text: string): number {
  return [...text].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) | 0, 7);
}

describe('precedence', () => {
  test('defaults alone are valid, and the default model lies in the package', () => {
    const { settings, sources } = settingsOf('');
    expect(settings.port).toBe(8080);
    expect(settings.model).toBe(join(root, 'models', 'octet-demo-f16.gguf'));
    expect(new Set(Object.values(sources))).toEqual(new Set(['default']));
    expect(Object.keys(sources).sort()).toEqual(Object.keys(settings).sort());
  });

  test('flag over environment over file over default', () => {
    const path = configFile({ port: 1, threads: 1, sequencesMax: 1, '//note': 'ignored' });
    const { settings, sources } = settingsOf(`--config ${path} --port 3`, { OCTET_PORT: '2', OCTET_THREADS: '2' });
    expect([settings.port, settings.threads, settings.sequencesMax, settings.microBatch]).toEqual([3, 2, 1, 512]);
    expect([sources['port'], sources['threads'], sources['sequencesMax'], sources['microBatch']]).toEqual([
      'flag --port',
      'environment OCTET_THREADS',
      `file ${path}`,
      'default',
    ]);
  });

  test('the file may be named by the environment, and a flag wins over that', () => {
    const [first, second] = [configFile({ port: 11 }), configFile({ port: 12 })];
    expect(settingsOf('', { OCTET_CONFIG: first }).settings.port).toBe(11);
    expect(settingsOf(`--config ${second}`, { OCTET_CONFIG: first }).settings.port).toBe(12);
  });

  test('every setting can be given as a flag, in the environment and in a file, and means the same', () => {
    for (const setting of settingList) {
      const text = String(setting.defaultValue);
      const given = text === '' ? '' : settingsOf('', { [setting.variable]: text }).sources[setting.name];
      if (text !== '') expect(given).toBe(`environment ${setting.variable}`);
      if (setting.flag === undefined) continue;
      const byFlag = loadSettings({ argv: ['serve', `${setting.flag}=${text}`], env: {} });
      if (text !== '') expect(byFlag).toMatchObject({ sources: { [setting.name]: `flag ${setting.flag}` } });
      const path = configFile({ [setting.name]: setting.defaultValue });
      expect(settingsOf(`--config ${path}`).settings).toEqual(settingsOf('').settings);
    }
  });

  test('empty variables count as not set, and those of Kubernetes are passed over', () => {
    const env = { OCTET_PORT: 'tcp://10.0.0.1:8080', OCTET_SERVICE_HOST: '10.0.0.1', OCTET_SERVICE_PORT_HTTP: '80' };
    expect(settingsOf('', { ...env, OCTET_PORT_8080_TCP_ADDR: '10.0.0.1', OCTET_KV: '' }).settings).toEqual(
      settingsOf('').settings,
    );
  });
});

describe('forms', () => {
  test.each([
    ['1048576', 1_048_576],
    ['512MiB', 512 * 1024 ** 2],
    ['512M', 512 * 1024 ** 2],
    ['500MB', 500_000_000],
    ['1.5 GiB', 1.5 * 1024 ** 3],
    ['2g', 2 * 1024 ** 3],
    ['0', 0],
  ])('%s is %d bytes', (text, bytes) => {
    expect(parseByteSize(text)).toBe(bytes);
  });

  test.each(['', 'GiB', '-1', '1e9', '1 parsec', '1,5G', '0x10', '1GiBB'])('%j is no size', (text) => {
    expect(parseByteSize(text)).toBeUndefined();
  });

  test('what is written for people is read back within its rounding', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 50 }), (bytes) => {
        const read = parseByteSize(formatBytes(bytes)) ?? Number.NaN;
        expect(Math.abs(read - bytes)).toBeLessThanOrEqual(bytes * 0.06);
      }),
      { interruptAfterTimeLimit: 1000, markInterruptAsFailure: false },
    );
  });

  test('a KV pair is kept short where both types are the same', () => {
    expect(settingsOf('--kv Q8_0:q8_0').settings.kv).toBe('q8_0');
    expect(settingsOf('--kv f16:q4_0').settings.kv).toBe('f16:q4_0');
  });

  test('who guesses may be named in either order', () => {
    for (const speculative of ['lookup,draft', 'draft,lookup', 'draft, lookup']) {
      const { settings } = settingsOf('--draft a.gguf', { OCTET_SPECULATIVE: speculative });
      expect(settings.speculative).toBe('lookup,draft');
    }
  });

  test('lists, switches and sizes become what the program works with', () => {
    const { settings } = settingsOf(
      '--cors-origins https://a.example,http://localhost:3000 --log-prompts --kv-memory 2GiB',
      {
        OCTET_API_KEYS: 'first-key, second-key',
        OCTET_BODY_BYTES_MAX: '1MiB',
      },
    );
    expect(settings.corsOrigins).toEqual(['https://a.example', 'http://localhost:3000']);
    expect(settings.apiKeys).toEqual(['first-key', 'second-key']);
    expect([settings.logPrompts, settings.kvMemory, settings.bodyBytesMax]).toEqual([true, 2 * 1024 ** 3, 1024 ** 2]);
    const memory = settingsOf('--park-memory auto --prefix-memory 0').settings;
    expect([memory.parkMemory, memory.prefixMemory]).toEqual(['auto', 0]);
    expect(settingsOf('--log-prompts=false', { OCTET_LOG_PROMPTS: '1' }).settings.logPrompts).toBe(false);
  });

  test('negative numbers may follow a flag', () => {
    expect(settingsOf('--gpu-layers -1 --port 1').settings).toMatchObject({ gpuLayers: -1, port: 1 });
  });
});

describe('faults', () => {
  test('name, limit, given value and source, all faults at once', () => {
    const path = configFile({ blockTokens: 0, prot: 1, logPrompts: 'yes', kvMemory: '1 parsec' });
    const messages = messagesOf(`--config ${path} --port 99999 --polcy fair --kv q8_0:q3`, {
      OCTET_THREADS: 'many',
      OCTET_PRT: '1',
    });
    expect(messages.sort()).toEqual(
      [
        '--polcy is not a setting (flag). Did you mean --policy?',
        'OCTET_PRT is not a setting (environment). Did you mean OCTET_PORT?',
        `prot is not a setting (file ${path}). Did you mean port?`,
        'port must be an integer from 0 to 65535. Given: 99999 (flag --port)',
        `blockTokens must be an integer from 1 to 1024. Given: 0 (file ${path})`,
        `logPrompts must be true or false. Given: "yes" (file ${path})`,
        `kvMemory must be empty, or a size from 1KiB to 64TiB such as 512MiB or 4GiB. Given: "1 parsec" (file ${path})`,
        'threads must be an integer from 0 to 1024. Given: "many" (environment OCTET_THREADS)',
        'kv must be one of f16, bf16, q8_0, q5_1, q5_0, q4_1, q4_0, iq4_nl, or a pair K:V of them. Given: "q8_0:q3" (flag --kv)',
      ].sort(),
    );
  });

  test.each([
    ['--port', 'port must be an integer from 0 to 65535. Given: no value (flag --port)'],
    ['--config', 'config must be a path. Given: no value (flag --config)'],
    ['--port --host ::1', 'port must be an integer from 0 to 65535. Given: no value (flag --port)'],
    ['--port 80.5', 'port must be an integer from 0 to 65535. Given: 80.5 (flag --port)'],
    ['--policy lifo', 'policy must be one of fcfs, priority, fair. Given: "lifo" (flag --policy)'],
    ['--cors-origins example.org', 'Given: "example.org" (flag --cors-origins)'],
    ['--body-bytes-max 1', 'bodyBytesMax must be a size from 1KiB to 1GiB such as 10MiB. Given: "1" (flag'],
    ['--kv-blocks 8 --kv-memory 1G', 'kvBlocks and kvMemory exclude each other'],
    ['--kv-blocks 8 --kv-memory 1G --port x', 'kvBlocks and kvMemory exclude each other'],
    ['--weights file --imatrix m.gguf', 'weights and imatrix exclude each other'],
    ['--speculative draft', '--speculative draft needs a model that guesses: --draft FILE.gguf. Given: none'],
    [
      '--draft a.gguf',
      '--draft a.gguf guesses only with --speculative draft or lookup,draft. Given: --speculative off',
    ],
    [
      '--speculative mtp --draft a.gguf',
      '--draft a.gguf guesses only with --speculative draft or lookup,draft. Given: --speculative mtp',
    ],
    [
      '--draft-threads 2 --speculative lookup',
      '--draft-threads 2 needs a draft model or a head: --speculative draft --draft FILE.gguf, or mtp. Given: --speculative lookup',
    ],
    ['--draft-cache-tokens 4096', '--draft-cache-tokens 4096 needs a draft model or a head'],
    [
      '--speculative draft,draft',
      'speculative must be one of off, lookup, draft, mtp, lookup,draft, lookup,mtp. Given: "draft,draft"',
    ],
    [
      '--lookup-window 4096 --speculative draft --draft a.gguf',
      '--lookup-window 4096 needs lookups: --speculative lookup. Given: --speculative draft',
    ],
    ['--lookup-tokens-min 3', '--lookup-tokens-min 3 needs lookups: --speculative lookup. Given: --speculative off'],
    ['--speculative-tokens 4', '--speculative-tokens 4 needs guesses: --speculative lookup, draft or mtp. Given'],
    ['--flash-attention off', 'flashAttention and kv exclude each other: without flash attention V cannot be q8_0'],
    ['--weights-cache-max 1', 'weightsCacheMax must be empty, or a size from 1KiB to 64TiB'],
    ['stray', 'unexpected argument: stray'],
    ['--api-keys 12345678', '--api-keys is not a setting (flag). Did you mean OCTET_API_KEYS?'],
    ['--config missing.json', 'missing.json cannot be read: ENOENT'],
  ])('%s', (flags, message) => {
    expect(messagesOf(flags).join('\n')).toContain(message);
  });

  test.each([
    ['{"port": 1', 'cannot be read'],
    ['[1, 2]', 'it must hold one JSON object'],
    [{ apiKeys: 'in-a-file' }, 'apiKeys is not a setting'],
    [{ port: '8000' }, 'port must be an integer from 0 to 65535. Given: "8000"'],
    [{ port: null }, 'port must be an integer from 0 to 65535. Given: null'],
  ])('file %j', (content, message) => {
    expect(messagesOf(`--config ${configFile(content)}`).join('\n')).toContain(message);
  });

  test('options of another command point to its own help', () => {
    const text = (line: string) => {
      const loaded = loadSettings({ argv: line.split(' '), env: {} });
      return loaded.kind === 'faults' ? describeFaults(loaded.faults, loaded.command) : '';
    };
    expect(text('quantize in.gguf --bogus')).toMatch(
      /^One fault in the command line:\n {2}unknown option '--bogus'\noctet quantize --help lists its options\.$/,
    );
    expect(text('tune --seconds 0 --threads many')).toMatch(
      /--seconds must be .*Given: 0; threads must be .*Given: "many"/,
    );
    expect(text('cache burn')).toMatch(/the action must be list or clear.*\noctet cache --help lists its options\.$/);
    expect(text('--bogus')).toMatch(/Flags follow a command.*\noctet serve --help lists every setting\.$/);
  });

  test('a secret is never shown', () => {
    const text = describeFaults(faultsOf('', { OCTET_API_KEYS: 'short,a b c d e f' }));
    expect(text).toContain('apiKeys must be');
    expect(messagesOf('', { OCTET_API_KEYS: ' , ' })).toHaveLength(1);
    expect(text).not.toMatch(/short|a b c/);
  });

  test('no text whatever makes it throw', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.string(), fc.constantFrom(...settingList.flatMap((setting) => setting.flag ?? [])))),
        fc.dictionary(fc.constantFrom(...settingList.map((setting) => setting.variable)), fc.string()),
        (flags, env) => {
          // A path of a file would be read; everything else only touches text.
          const argv = ['serve', ...flags.filter((flag) => !flag.startsWith('--config'))];
          expect(['settings', 'faults', 'help', 'version']).toContain(loadSettings({ argv, env }).kind);
        },
      ),
      { interruptAfterTimeLimit: 3000, markInterruptAsFailure: false },
    );
  });
});

describe('command line', () => {
  test('help lists every flag with its default, and no secret', () => {
    const loaded = load('--help');
    const text = loaded.kind === 'help' ? loaded.text.replace(/\s+/g, ' ') : '';
    for (const setting of settingList) {
      if (setting.flag === undefined) expect(text).not.toContain(setting.variable.toLowerCase());
      else expect(text).toContain(`${setting.flag} `);
      if (setting.flag !== undefined && setting.defaultValue !== '')
        expect(text).toContain(`default: ${setting.defaultValue}`);
    }
    for (const group of ['Model:', 'Server:', 'KV cache:', 'Scheduling:', 'Limits:', 'Logging:'])
      expect(text).toContain(group);
  });

  test('version, help without a command, and unknown commands', () => {
    const version = /"version": "([^"]+)"/.exec(readFileSync(join(root, 'package.json'), 'utf8'))?.[1];
    expect(loadSettings({ argv: ['--version'], env: {} })).toEqual({ kind: 'version', text: `octet ${version}` });
    expect(loadSettings({ argv: [], env: {} })).toMatchObject({ kind: 'help' });
    expect(loadSettings({ argv: ['srve'], env: {} })).toMatchObject({ kind: 'faults' });
    expect(loadSettings({ argv: ['--port', '1'], env: {} })).toMatchObject({ kind: 'faults' });
  });
});

describe('documents', () => {
  const hint = 'npm run build && node tools/write-documents.mjs';

  test('config/default.json is what the schema says', () => {
    expect(readFileSync(join(root, 'config', 'default.json'), 'utf8'), hint).toBe(defaultConfigText());
  });

  test('config/default.json loads to the defaults', () => {
    expect(settingsOf(`--config ${join(root, 'config', 'default.json')}`).settings).toEqual(settingsOf('').settings);
  });

  test('docs/CONFIGURATION.md is what the schema says', () => {
    const document = readFileSync(join(root, 'docs', 'CONFIGURATION.md'), 'utf8');
    expect(document, hint).toBe(withSection(document, 'settings', settingTables()));
    for (const { variable } of settingList) expect(document).toContain(`\`${variable}\``);
  });

  test('every setting says what it means, as a sentence', () => {
    for (const setting of settingList) expect(setting.meaning, setting.name).toMatch(/^[A-Z].*\.$/);
  });
});
