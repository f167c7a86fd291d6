// Holds the import table of docs/ARCHITECTURE.md against the imports that the sources really have.
// Why as a test: a table that nothing checks is soon untrue, and one forbidden import makes a pure folder impure.

import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';

const root = resolve(import.meta.dirname, '..');

/** Area -> the areas it may import besides itself. `shared` is the files directly under src. */
const importTable = {
  shared: [],
  kv: ['shared'],
  scheduler: ['shared', 'kv'],
  llama: ['shared'],
  grammar: ['shared'],
  precision: ['shared', 'llama'],
  dialects: ['shared'],
  routes: ['shared', 'grammar', 'dialects'],
  server: ['shared', 'kv', 'scheduler', 'llama', 'grammar', 'precision', 'dialects', 'routes'],
  bench: ['shared', 'kv', 'scheduler', 'llama', 'grammar', 'precision', 'dialects', 'routes', 'server'],
} as const satisfies Record<string, readonly string[]>;

/** Folders that reach neither the machine nor a library: time, randomness and kernels arrive as arguments. */
const pureAreas: readonly string[] = ['shared', 'kv', 'scheduler', 'dialects'];

/** Libraries that only one area may know. */
const packageOwners: Readonly<Record<string, readonly string[]>> = {
  koffi: ['llama'],
  '@huggingface/jinja': ['llama'],
  '@mlc-ai/web-xgrammar': ['grammar'],
  fastify: ['routes', 'server', 'bench'],
  'prom-client': ['server'],
  commander: ['server', 'bench'],
};

interface Import {
  readonly file: string;
  readonly line: number;
  readonly specifier: string;
}

function sourceFiles(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .sort();
}

/** Static, dynamic and re-exporting imports; also those spread over several lines. */
function importsOf(file: string, text: string): Import[] {
  const pattern =
    /^\s*(?:import|export)\s(?:[^'";]*?\sfrom\s*)?['"]([^'"]+)['"]|\bimport\s*\(\s*['"]([^'"]+)['"]\s*[),]/gm;
  return [...text.matchAll(pattern)].map((match) => ({
    file,
    line: text.slice(0, match.index).split('\n').length,
    specifier: match[1] ?? match[2] ?? '',
  }));
}

function areaOf(path: string): string | undefined {
  const parts = path.split('/');
  if (parts[0] === 'bench') return 'bench';
  if (parts[0] !== 'src') return undefined;
  return parts.length === 2 ? 'shared' : parts[1];
}

function mayImport(from: string, to: string | undefined): boolean {
  if (to === undefined) return false;
  if (from === to) return true;
  return Object.entries(importTable).some(([area, allowed]) => area === from && allowed.some((name) => name === to));
}

/** What is wrong with one import, or undefined. */
function faultOf({ file, line, specifier }: Import): string | undefined {
  const area = areaOf(file);
  const at = `${file}:${line} imports '${specifier}'`;
  if (area === undefined || !Object.hasOwn(importTable, area)) return `${at}, but ${file} is in no area of the table`;
  if (specifier.startsWith('.')) return relativeFault({ file, area, at, specifier });
  if (pureAreas.includes(area)) return `${at}, but ${area} is pure: it imports neither packages nor node:*`;
  const owners = packageOwners[packageNameOf(specifier)];
  return owners === undefined || owners.includes(area) ? undefined : `${at}, which belongs to ${owners.join(', ')}`;
}

function packageNameOf(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

function relativeFault(of: { file: string; area: string; at: string; specifier: string }): string | undefined {
  const target = relative(root, resolve(root, dirname(of.file), of.specifier))
    .split(sep)
    .join('/');
  if (target.endsWith('package.json')) return undefined;
  if (!of.specifier.endsWith('.ts')) return `${of.at}, which does not end in .ts`;
  const to = areaOf(target);
  return mayImport(of.area, to) ? undefined : `${of.at}, but ${of.area} may not import ${to ?? target}`;
}

function faultsIn(file: string, text: string): string[] {
  return importsOf(file, text)
    .map(faultOf)
    .filter((fault) => fault !== undefined);
}

describe('import table', () => {
  const files = [...sourceFiles('src'), ...sourceFiles('bench')];

  test('every import is allowed', () => {
    expect(files.length).toBeGreaterThan(5);
    expect(files.flatMap((file) => faultsIn(file, readFileSync(join(root, file), 'utf8')))).toEqual([]);
  });

  test('src imports only what is installed without development packages', () => {
    const { dependencies } = z
      .object({ dependencies: z.record(z.string(), z.string()) })
      .parse(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')));
    const strangers = sourceFiles('src')
      .flatMap((file) => importsOf(file, readFileSync(join(root, file), 'utf8')))
      .filter(({ specifier }) => !specifier.startsWith('.') && !specifier.startsWith('node:'))
      .filter(({ specifier }) => !Object.hasOwn(dependencies, packageNameOf(specifier)));
    expect(strangers).toEqual([]);
  });

  test('every folder of src is in the table', () => {
    const folders = readdirSync(join(root, 'src'), { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name);
    expect(folders.filter((folder) => !Object.hasOwn(importTable, folder))).toEqual([]);
  });
});

/** Files on a circle of imports, each with the next; empty when there is none. */
function circleIn(files: readonly string[]): string[] {
  const targets = new Map(
    files.map((file) => [
      file,
      importsOf(file, readFileSync(join(root, file), 'utf8'))
        .filter(({ specifier }) => specifier.startsWith('.'))
        .map(({ specifier }) =>
          relative(root, resolve(root, dirname(file), specifier))
            .split(sep)
            .join('/'),
        ),
    ]),
  );
  const finished = new Set<string>();
  const visit = (file: string, path: readonly string[]): string[] => {
    if (path.includes(file)) return [...path.slice(path.indexOf(file)), file];
    if (finished.has(file)) return [];
    for (const target of targets.get(file) ?? []) {
      const circle = visit(target, [...path, file]);
      if (circle.length > 0) return circle;
    }
    finished.add(file);
    return [];
  };
  return files.map((file) => visit(file, [])).find((circle) => circle.length > 0) ?? [];
}

test('no file imports itself by way of others', () => {
  expect(circleIn([...sourceFiles('src'), ...sourceFiles('bench')])).toEqual([]);
});

test('the lock file has the optional packages of every platform, or `npm ci` refuses it', () => {
  const { packages } = z
    .object({
      packages: z.record(z.string(), z.object({ optionalDependencies: z.record(z.string(), z.string()).optional() })),
    })
    .parse(JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')));
  // A range may be met by nothing; an exact version names one package, and node tools/complete-lock.mjs adds it.
  const missing = Object.values(packages)
    .flatMap(({ optionalDependencies = {} }) => Object.entries(optionalDependencies))
    .filter(([name, version]) => /^\d+\.\d+\.\d+$/.test(version) && packages[`node_modules/${name}`] === undefined);
  expect(missing).toEqual([]);
});

describe('the check itself', () => {
  test.each([
    ['src/kv/pool.ts', `import { x } from '../scheduler/state.ts';`],
    ['src/kv/pool.ts', `import { readFileSync } from 'node:fs';`],
    ['src/scheduler/plan.ts', `import type { A,\n  B } from '../llama/model.ts';`],
    ['src/scheduler/plan.ts', `export { a } from '../routes/sse.ts';`],
    ['src/routes/chat.ts', `const x = await import('../llama/model.ts');`],
    ['src/routes/chat.ts', `import koffi from 'koffi';`],
    ['src/llama/model.ts', `import '../server/main.ts';`],
    ['src/ids.ts', `import { x } from './kv/types.ts';`],
    ['src/server/main.ts', `import { x } from '../../bench/main.ts';`],
    ['src/server/main.ts', `import { x } from './settings.js';`],
    ['src/extras/new.ts', `import { x } from '../ids.ts';`],
  ])('refuses in %s: %s', (file, text) => {
    expect(faultsIn(file, text)).toHaveLength(1);
  });

  test.each([
    ['src/scheduler/plan.ts', `import { x } from '../kv/types.ts';\nimport { y } from './state.ts';`],
    ['src/server/main.ts', `import { x } from '../routes/chat.ts';\nimport fs from 'node:fs';`],
    ['src/precision/recipe.ts', `import { x } from '../llama/model.ts';`],
    ['src/llama/library.ts', `import koffi from 'koffi';`],
    ['bench/main.ts', `import { x } from '../src/server/settings.ts';`],
  ])('accepts in %s: %s', (file, text) => {
    expect(faultsIn(file, text)).toEqual([]);
  });
});
