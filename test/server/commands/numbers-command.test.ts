// `octet numbers` from its arguments to what it prints.

import { resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { tensorReportSchema } from '../../../src/precision/numbers/tensor-report.ts';
import { numbersReportSchema } from '../../../src/precision/numbers/value-report.ts';
import { parseCommandLine } from '../../../src/server/command-line.ts';

const stories = resolve(import.meta.dirname, '..', '..', 'fixtures', 'stories260K', 'stories260K-f16.gguf');

async function run(argv: readonly string[], terminal: { isInteractive?: boolean; hasColor?: boolean } = {}) {
  const line = parseCommandLine(['numbers', ...argv]);
  if (line.kind !== 'tool') throw new Error(JSON.stringify(line));
  let printed = '';
  const code = await line.run({
    print: (text) => {
      printed += text;
    },
    tell: () => undefined,
    isInteractive: terminal.isInteractive ?? false,
    hasColor: terminal.hasColor ?? false,
    columns: 120,
  });
  return { code, printed };
}

function faultOf(argv: readonly string[]): string {
  const line = parseCommandLine(['numbers', ...argv]);
  return line.kind === 'faults' ? JSON.stringify(line.faults) : line.kind;
}

describe('octet numbers VALUE', () => {
  test('prints JSON where nobody reads', async () => {
    const { code, printed } = await run(['0.1', '-1/3', '-inf', '-0x1p-3', '-0.5']);
    const { values } = numbersReportSchema.parse(JSON.parse(printed));
    expect(code).toBe(0);
    expect(values.map(({ input, value }) => [input, value])).toEqual([
      ['0.1', 0.1],
      ['-1/3', -1 / 3],
      ['-inf', '-inf'],
      ['-0x1p-3', -0.125],
      ['-0.5', -0.5],
    ]);
    expect(values[0]?.formats.map(({ format }) => format)).toEqual([
      'fp32',
      'fp16',
      'bf16',
      'fp8_e4m3',
      'fp8_e5m2',
      'q8_0',
      'q4_0',
      'mxfp4',
      'nvfp4',
    ]);
  });

  test('prints tables at a terminal: coloured if it has colour, plain when asked, JSON when asked', async () => {
    const colored = await run(['1'], { isInteractive: true, hasColor: true });
    expect(colored.printed).toContain('\u001b[35m0\u001b[0m');
    const dull = await run(['1'], { isInteractive: true });
    expect(dull.printed).toContain('fp8 E4M3');
    expect(dull.printed).not.toContain('\u001b');
    expect((await run(['1', '--plain'], { isInteractive: true, hasColor: true })).printed).toBe(dull.printed);
    expect((await run(['1', '--plain'])).printed).toBe(dull.printed);
    const json = await run(['1', '--json'], { isInteractive: true, hasColor: true });
    expect(JSON.parse(json.printed)).toHaveProperty('values');
  });

  test('companions come with --with, negative ones too', async () => {
    const { printed } = await run(['0.02', '--with', '1,-0.5', '--json']);
    expect(numbersReportSchema.parse(JSON.parse(printed)).values[0]?.companions).toEqual([1, -0.5]);
    const negative = await run(['0.02', '--with=-1,0.5']);
    expect(numbersReportSchema.parse(JSON.parse(negative.printed)).values[0]?.companions).toEqual([-1, 0.5]);
  });

  test('what is no number is refused with the accepted forms', async () => {
    await expect(run(['abc'])).rejects.toThrow(/a number must be a decimal .* inf or nan\. Given: abc/);
    await expect(run(['-x'])).rejects.toThrow('Given: -x');
  });

  test('faults of usage', () => {
    expect(faultOf([])).toContain('a value or --tensor FILE:NAME must be given');
    expect(faultOf(['1', '--jsom'])).toContain("unknown option '--jsom'");
    expect(faultOf(['1', '--json', '--plain'])).toContain('cannot be used with');
    expect(faultOf(['1', '--tensor', 'a:b'])).toContain('values and --tensor exclude each other. Given: 1');
    expect(faultOf(['--tensor', 'a:b', '--with', '1'])).toContain('--with is for values');
    expect(faultOf(['1', '--formats', 'q8_0'])).toContain('--formats is for --tensor');
    expect(faultOf(['--tensor'])).toContain("option '--tensor <FILE:NAME>' argument missing");
  });

  test('--help shows the forms and examples', () => {
    const line = parseCommandLine(['numbers', '--help']);
    expect(line).toMatchObject({ kind: 'help', text: expect.stringContaining('octet numbers 0.1 1/3 65520') });
  });
});

describe('octet numbers --tensor', () => {
  test('prints JSON or tables', async () => {
    const { printed } = await run(['--tensor', `${stories}:output_norm.weight`, '--formats', 'bf16,q8_0']);
    const report = tensorReportSchema.parse(JSON.parse(printed));
    expect(report.tensor).toMatchObject({ name: 'output_norm.weight', type: 'f32', rows: 1, columns: 64 });
    expect(report.formats.map(({ format }) => format)).toEqual(['bf16', 'q8_0']);
    const table = await run(['--tensor', `${stories}:output_norm.weight`, '--plain']);
    expect(table.printed).toContain('kurtosis');
  });
});
