// `octet recommend`: what its command line accepts. The search itself is tested on models beside src/precision/recommend.

import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readImportance } from '../../../src/precision/importance.ts';
import { parseRecipe } from '../../../src/precision/recipes/parse-recipe.ts';
import { recommendationSchema } from '../../../src/precision/recommend/recommendation.ts';
import { parseCommandLine } from '../../../src/server/command-line.ts';

const stories = resolve(import.meta.dirname, '..', '..', 'fixtures', 'stories260K', 'stories260K-f16.gguf');
const calibrationText = resolve(import.meta.dirname, '..', '..', '..', 'config', 'evals', 'calibration.txt');
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'octet-recommend-command-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

async function run(argv: readonly string[]) {
  const line = parseCommandLine(['recommend', ...argv, '--gpu', 'off', '--threads', '1']);
  if (line.kind !== 'tool') throw new Error(JSON.stringify(line));
  let printed = '';
  const print = (text: string): void => {
    printed += text;
  };
  await line.run({ print, tell: () => undefined, isInteractive: false, hasColor: false, columns: 120 });
  return printed;
}

function faultOf(argv: readonly string[]): string {
  const line = parseCommandLine(['recommend', ...argv]);
  return line.kind === 'faults' ? JSON.stringify(line.faults) : line.kind;
}

describe('octet recommend', () => {
  test('writes a recipe and a report, and says how to use them', async () => {
    const [out, json, cache] = ['mine.json', 'report.json', 'cache'].map((name) => join(folder, name));
    const text = join(folder, 'text.txt');
    writeFileSync(text, readFileSync(calibrationText, 'utf8').slice(0, 6000));
    const small = '--formats q8_0,q4_0 --group kind --context 64 --chunks 2 --eval-chunks 1 --rounds 0 --threads 1';
    const steps = ['--steps', 'awq', '--text', text, ...small.split(' ')];
    const files = ['--out', out ?? '', '--json', json ?? '', '--cache', cache ?? ''];
    const printed = await run(['--model', stories, '--budget', 'q4_1', ...steps, ...files]);
    expect(parseRecipe(readFileSync(out ?? '', 'utf8'), 'mine').kind).toBe('recipe');
    const report = recommendationSchema.parse(JSON.parse(readFileSync(json ?? '', 'utf8')));
    expect(report.mix.fileBytes).toBeLessThanOrEqual(report.budget.fileBytesMax ?? 0);
    // Unasked, it is compared with the largest formats and recipes within the budget.
    expect(report.rows.filter(({ kind }) => kind === 'rival')).toHaveLength(3);
    expect(printed).toContain('mine *');
    // What its step reads lies beside it under the name that the recipe gives.
    expect(report.scaling.picked).toBe('awq');
    expect(readFileSync(out ?? '', 'utf8')).toContain('"statistics":"mine.imatrix.gguf"');
    expect((await readImportance(join(folder, 'mine.imatrix.gguf'))).byTensor.size).toBe(35);
    expect(printed).toContain(`--weights ${out}`);
  });

  test('says all faults at once, with limits and what was given', async () => {
    expect(faultOf([])).toMatch(/--budget must be given.*--out must be given/);
    const given = ['--budget', '5bpw', '--out', 'x.json'];
    expect(faultOf([...given, '--formats', 'q8', '--chunks', '0'])).toMatch(
      /--formats .*Given: q8; did you mean q8_0\?; --chunks must be an integer from 1 .*Given: 0/,
    );
    expect(faultOf([...given, '--formats', 'q6'])).toMatch(/Given: q6; did you mean q6_k\?/);
    expect(faultOf([...given, '--steps', 'awq,gptq'])).toMatch(
      /--steps must be auto, none, or of smooth, awq. Given: awq,gptq/,
    );
    expect(faultOf([...given, '--fix', 'attn_v'])).toMatch(/--fix must be PATTERN=FORMAT. Given: attn_v/);
    const nowhere = join(folder, 'no', 'x.json');
    await expect(run(['--model', stories, '--budget', '5bpw', '--out', nowhere])).rejects.toThrow(
      /folder .* must exist/,
    );
    await expect(run(['--model', stories, '--budget', '-1', '--out', join(folder, 'x.json')])).rejects.toThrow(
      /the budget must be a size .*Given: -1/,
    );
    expect(existsSync(join(folder, 'x.json'))).toBe(false);
  });
});
