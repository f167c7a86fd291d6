// `octet quantize`: a model file to another number format, or to a mix of them by a recipe.

import { existsSync, realpathSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Command } from 'commander';
import type { QuantizePlan } from '../../precision/plan-weights.ts';
import type { WriteOptions } from '../../precision/write-weights.ts';
import { createProgressLine } from '../progress-line.ts';
import type { Terminal, ToolCommand, ToolRun } from './command.ts';
import { interruptedExitCode, watchInterruption } from './interruption.ts';

interface Options {
  readonly to?: string;
  readonly emulate?: string;
  readonly imatrix?: string;
  readonly dryRun?: true;
  readonly json?: true;
  readonly allowRequantize?: true;
  readonly force?: true;
  readonly threads: string;
}

const examples = `
TYPE is one of llama.cpp's mixes (q4_k_m as llama-quantize makes it), a plain number format (q8_0, mxfp4, bf16), or a
recipe: the name of one that comes with Octet (config/recipes), or a JSON file of your own (docs/PRECISION.md).
Emulated are fp8_e4m3, fp8_e5m2 (a scale per tensor), int8_channel (per row), int4_group32, int4_group64, int4_group128.

Examples:
  octet quantize model-f16.gguf model-q4_k_m.gguf --to q4_k_m
  octet quantize model-f16.gguf model-int4.gguf --to int4-protected-edges
  octet quantize model-f16.gguf --to recipe.json --dry-run
  octet quantize model-f16.gguf model-fp8.gguf --emulate fp8_e4m3`;

export const quantizeCommand: ToolCommand = {
  name: 'quantize',
  declare(command, choose) {
    command
      .description('Write a model file at another precision.')
      .argument('<source>', 'A GGUF file; of a split model, its first part.')
      .argument('[target]', 'The file to write; --dry-run needs none.')
      .option('--to <type>', 'A format, a recipe, or a path of one that ends in .json.')
      .option(
        '--emulate <format>',
        'Round through a format that the kernels lack and store at 16 bits, for evaluation.',
      )
      .option('--imatrix <file>', 'An importance matrix in GGUF form (octet calibrate, llama-imatrix).')
      .option('--dry-run', 'Print what each tensor would become and take, and write nothing.')
      .option('--json', 'With --dry-run: print it as JSON.')
      .option('--allow-requantize', 'Also quantize what is quantized already, adding one error to the other.')
      .option('--force', 'Replace the target if it exists.')
      .option('--threads <count>', 'CPU threads; 0 means all.', '0')
      .addHelpText('after', examples)
      .action((source: string, target: string | undefined, options: Options) =>
        choose(runOf(command, { source, target, options })),
      );
  },
};

interface Arguments {
  readonly source: string;
  readonly target: string | undefined;
  readonly options: Options;
}

function runOf(command: Command, { source, target, options }: Arguments): ToolRun {
  const fault = optionFault(options);
  if (fault !== undefined) command.error(fault);
  if (options.dryRun) return (terminal) => dryRun(source, options, terminal);
  if (target === undefined) command.error('the file to write is missing: octet quantize <source> <target> --to TYPE');
  return (terminal) => quantize(source, { ...options, target }, terminal);
}

function optionFault({ to, emulate, imatrix, threads }: Options): string | undefined {
  if (!/^\d{1,4}$/.test(threads)) return `--threads must be an integer from 0 to 9999. Given: ${threads}`;
  if (emulate === undefined) return to === undefined ? '--to TYPE or --emulate FORMAT must be given' : undefined;
  if (to !== undefined && to.toLowerCase() !== 'f16')
    return `with --emulate, weights are stored at 16 bits: --to must be f16 or left out. Given: ${to}`;
  return imatrix === undefined ? undefined : '--emulate rounds to nearest and uses no importance matrix (--imatrix)';
}

async function dryRun(source: string, options: Options, { print, tell }: Terminal): Promise<number> {
  const { formatPlan, planAsData } = await import('../../precision/plan-table.ts');
  const { plan } = await planOf(source, options);
  print(options.json ? JSON.stringify(planAsData(plan), null, 2) : formatPlan(plan));
  for (const warning of plan.warnings) tell(`warning: ${warning}`);
  for (const fault of plan.faults) tell(`would be refused: ${fault}`);
  return plan.faults.length === 0 ? 0 : 1;
}

async function quantize(
  source: string,
  options: Options & { readonly target: string },
  { print, tell }: Terminal,
): Promise<number> {
  checkTarget(source, options);
  const { formatSums } = await import('../../precision/plan-table.ts');
  const { plan, write } = await planOf(source, options);
  for (const warning of plan.warnings) tell(`warning: ${warning}`);
  const progress = createProgressLine(`to ${plan.label}`);
  const interruption = watchInterruption();
  const startedMs = performance.now();
  try {
    const { signal } = interruption;
    const threads = Number(options.threads);
    await write(options.target, { threads, signal, onProgress: progress.show });
  } catch (error) {
    if (!interruption.signal.aborted) throw error;
    tell('interrupted; nothing was written');
    return interruptedExitCode;
  } finally {
    progress.end();
    interruption.stop();
  }
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  print(`${options.target}: ${formatSums(plan)}, written in ${seconds} s`);
  return 0;
}

function checkTarget(source: string, { target, force }: { readonly target: string; readonly force?: true }): void {
  if (!existsSync(dirname(target))) throw new Error(`the folder of the target must exist. Given: ${target}`);
  if (!existsSync(target)) return;
  if (existsSync(source) && realpathSync(source) === realpathSync(target))
    throw new Error(`the target must be another file than the source. Given: ${target} for both`);
  if (!force) throw new Error(`the target must not exist, or --force replaces it. Given: ${target}`);
}

interface Planned {
  readonly plan: QuantizePlan;
  readonly write: (target: string, options: Omit<WriteOptions, 'libraries'>) => Promise<void>;
}

async function planOf(source: string, options: Options): Promise<Planned> {
  const [{ loadHostLibraries }, { checkGguf }] = await Promise.all([
    import('../../llama/tensor-conversions.ts'),
    import('../../llama/source.ts'),
  ]);
  await checkGguf(source);
  const libraries = loadHostLibraries(() => undefined);
  const allowRequantize = options.allowRequantize === true;
  if (options.emulate !== undefined) {
    const { findEmulation, planEmulation, writeEmulated } = await import('../../precision/emulate-weights.ts');
    const format = findEmulation(options.emulate);
    const plan = await planEmulation({ source, format, allowRequantize });
    return { plan, write: (target, rest) => writeEmulated(plan, target, { ...rest, libraries, format }) };
  }
  const [{ planWeights }, { findRecipe }, { writeWeights }] = await Promise.all([
    import('../../precision/plan-weights.ts'),
    import('../../precision/recipes/find-recipe.ts'),
    import('../../precision/write-weights.ts'),
  ]);
  const recipe = await findRecipe(options.to ?? '');
  const importance = options.imatrix === undefined ? {} : { importancePath: options.imatrix };
  const plan = await planWeights({ libraries, source, recipe, allowRequantize, ...importance });
  return { plan, write: (target, rest) => writeWeights(plan, target, { ...rest, libraries }) };
}
