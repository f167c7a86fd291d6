// `octet numbers`: what number formats make of a number, or of a tensor in a GGUF file.
// Why JSON when standard output is no terminal: a script that reads it should not have to ask.

import { Option } from 'commander';
import { type Look, lookFor } from '../../precision/numbers/ink.ts';
import type { Terminal, ToolCommand, ToolRun } from './command.ts';

interface NumbersOptions {
  readonly tensor?: string;
  readonly with?: string;
  readonly formats?: string;
  readonly json?: true;
  readonly plain?: true;
}

const notes = `
A value is a decimal (0.1, -3.5), scientific (1e-8), a fraction (1/3), a power of two (2^-24), a hexadecimal float
(0x1.8p-3), inf or nan. At a terminal the bits are coloured by field; elsewhere the output is JSON, unless --plain.
Spacing is the distance to the next number that the format has there. docs/PRECISION.md explains the formats.

Examples:
  octet numbers 0.1 1/3 65520
  octet numbers 0.02 --with 1,-0.5
  octet numbers --tensor models/octet-demo-f16.gguf:blk.0.attn_v.weight
  octet numbers --tensor model.gguf:output.weight --formats q8_0,q6_K,q4_K,mxfp4`;

export const numbersCommand: ToolCommand = {
  name: 'numbers',
  declare(command, choose) {
    command
      .usage('VALUE... [flags]')
      .description('Show how number formats store a value or a tensor, and what that costs.')
      .argument('[values...]', 'Numbers to show.')
      .option('--tensor <FILE:NAME>', 'A tensor of a GGUF file instead: its values and the error of each format.')
      .option('--with <values>', 'Other values in the same block, separated by commas; at most 15.')
      .option(
        '--formats <names>',
        'With --tensor: the formats to try, separated by commas; also q6_K and other ggml types.',
      )
      .option('--json', 'Print JSON.')
      .addOption(
        new Option('--plain', 'Print text without colour, also where standard output is no terminal.').conflicts(
          'json',
        ),
      )
      // Numbers such as -1/3 and -inf look like flags.
      .allowUnknownOption()
      .allowExcessArguments()
      .addHelpText('after', notes)
      .action((_values, options: NumbersOptions) => {
        const flag = command.args.find((text) => text.startsWith('--'));
        if (flag !== undefined) command.error(`unknown option '${flag}'`, { code: 'commander.unknownOption' });
        const fault = conflictOf(command.args, options);
        if (fault !== undefined) command.error(fault);
        choose(options.tensor === undefined ? runValues(command.args, options) : runTensor(options.tensor, options));
      });
  },
};

function conflictOf(values: readonly string[], { tensor, with: beside, formats }: NumbersOptions): string | undefined {
  if (tensor === undefined && values.length === 0) return 'a value or --tensor FILE:NAME must be given';
  if (tensor !== undefined && values.length > 0)
    return `values and --tensor exclude each other. Given: ${values.join(' ')}`;
  if (tensor !== undefined && beside !== undefined) return '--with is for values, not for --tensor';
  if (tensor === undefined && formats !== undefined) return '--formats is for --tensor, not for values';
  return undefined;
}

function wantsJson(terminal: Terminal, { json, plain }: NumbersOptions): boolean {
  return json === true || (!terminal.isInteractive && plain !== true);
}

function lookOf({ hasColor, columns }: Terminal, { plain }: NumbersOptions): Look {
  return lookFor({ hasColor: hasColor && plain !== true, columns });
}

function runValues(texts: readonly string[], options: NumbersOptions): ToolRun {
  return async (terminal) => {
    const { reportValues, formatValues } = await import('../../precision/numbers/values.ts');
    const report = reportValues(texts, options.with);
    if (wantsJson(terminal, options)) terminal.print(JSON.stringify(report, null, 2));
    else terminal.print(formatValues(report, lookOf(terminal, options)));
    return 0;
  };
}

function runTensor(place: string, options: NumbersOptions): ToolRun {
  return async (terminal) => {
    const { reportTensor } = await import('../../precision/numbers/tensor.ts');
    const { formatTensor } = await import('../../precision/numbers/tensor-table.ts');
    const { createProgressLine } = await import('../progress-line.ts');
    const progress = createProgressLine('reading');
    const report = await reportTensor(place, { formats: options.formats, onProgress: progress.show }).finally(
      progress.end,
    );
    if (wantsJson(terminal, options)) terminal.print(JSON.stringify(report, null, 2));
    else terminal.print(formatTensor(report, lookOf(terminal, options)));
    return 0;
  };
}
