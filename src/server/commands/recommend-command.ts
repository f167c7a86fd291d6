// `octet recommend`: the mix of number formats that loses least within a budget, measured on the model itself.

import { copyFileSync, existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import type { Command } from 'commander';
import { z } from 'zod';
import { isTensorTypeName, type TensorTypeName, tensorTypes, weightTypes } from '../../llama/tensor-types.ts';
import { nearestName } from '../../nearest-name.ts';
import type { RecipeRule } from '../../precision/recipes/recipe.ts';
import type { NamedStatistics } from '../../precision/recommend/recommend.ts';
import type { RecommendWish } from '../../precision/recommend/recommend-wish.ts';
import { type StepName, type StepsWish, stepNames } from '../../precision/recommend/step-names.ts';
import { packageRoot, packageVersion } from '../package-root.ts';
import { parseByteSize } from '../settings-forms.ts';
import type { Terminal, ToolCommand } from './command.ts';
import { createEtaProgress } from './eta-progress.ts';
import { commaList, flagFaults, oneOf, wholeNumber } from './flag-forms.ts';

const formats = commaList.transform((given, context): readonly TensorTypeName[] => {
  if (given.length === 0) context.addIssue({ code: 'custom', message: 'must name at least one format' });
  return given.flatMap((name) => readType(name, context) ?? []);
});

const fixed = z.array(z.string()).transform((given, context): readonly RecipeRule[] =>
  given.flatMap((text) => {
    const [, pattern = '', name = ''] = /^(.+)=([^=]+)$/.exec(text) ?? [];
    if (pattern === '') {
      context.addIssue({ code: 'custom', message: `must be PATTERN=FORMAT. Given: ${text}` });
      return [];
    }
    const type = readType(name, context);
    return type === undefined ? [] : [{ tensors: [pattern.trim()], layers: [], type }];
  }),
);

function readType(name: string, context: z.RefinementCtx): TensorTypeName | undefined {
  const type = name.trim().toLowerCase();
  if (isTensorTypeName(type) && tensorTypes[type].kind !== 'other') return type;
  const nearest = nearestName(type, weightTypes);
  const hint = nearest === undefined ? '' : `; did you mean ${nearest}?`;
  context.addIssue({ code: 'custom', message: `must be of ${weightTypes.join(', ')}. Given: ${name}${hint}` });
  return undefined;
}

const steps = commaList.transform((given, context): StepsWish => {
  if (given.length === 1 && given[0] === 'auto') return { kind: 'auto' };
  if (given.length === 1 && given[0] === 'none') return { kind: 'named', names: [] };
  const names = given.filter(isStepName);
  if (names.length < given.length || given.length === 0)
    context.addIssue({
      code: 'custom',
      message: `must be auto, none, or of ${stepNames.join(', ')}. Given: ${given.join()}`,
    });
  return { kind: 'named', names };
});

function isStepName(name: string): name is StepName {
  return stepNames.some((known) => known === name);
}

const flagsSchema = z.object({
  model: z.string(),
  budget: z.string({
    error: 'must be given: a size such as 8MiB, bits a weight such as 5bpw, or a format such as q5_k_m',
  }),
  out: z.string({ error: 'must be given: the path of the recipe to write' }),
  json: z.string().optional(),
  formats: formats.optional(),
  group: oneOf(['tensor', 'kind', 'layer']),
  fix: fixed,
  steps,
  text: z.string(),
  evalText: z.string().optional(),
  context: wholeNumber(32, 1 << 20),
  chunks: wholeNumber(1, 1 << 20),
  evalChunks: wholeNumber(1, 1 << 20),
  imatrix: z.string().optional(),
  allowRequantize: z.boolean().optional(),
  compare: commaList.optional(),
  rounds: wholeNumber(0, 100),
  threads: wholeNumber(0, 1024),
  gpu: oneOf(['auto', 'cuda', 'vulkan', 'metal', 'off']),
  gpuLayers: wholeNumber(-1, 10_000),
  cache: z.string().optional(),
});
type Flags = z.infer<typeof flagsSchema>;

const notes = `
Every group of tensors is quantized alone in each format, and its divergence from the model as it is measured. The mix that the sum
of these makes best within the budget is found exactly, measured, tried behind steps that move scales, refined by changes measured
around it, and judged on text that was not used before. Measurements are kept: another budget, or a run that was interrupted,
starts from them. A recipe with steps reads how large activations are from a file beside it.

Examples:
  octet recommend --model model-f16.gguf --budget 8MiB --out mine.json
  octet recommend --model model-f16.gguf --budget q4_k_m --text my.txt --eval-text other.txt --out mine.json
  octet recommend --model model-f16.gguf --budget 5bpw --fix output=q8_0 --imatrix importance.gguf --out mine.json
  octet serve --model model-f16.gguf --weights mine.json`;

export const recommendCommand: ToolCommand = {
  name: 'recommend',
  declare(command, choose) {
    declareFlags(command).action((given: unknown) => {
      const parsed = flagsSchema.safeParse(given);
      if (parsed.success) choose((terminal) => run(parsed.data, terminal));
      else command.error(flagFaults(parsed.error));
    });
  },
};

function declareFlags(command: Command): Command {
  const collect = (value: string, before: readonly string[]) => [...before, value];
  return command
    .description('Find the mix of number formats that loses least within a budget.')
    .option('--model <path>', 'the GGUF model, of 16 or 32 bits', join(packageRoot(), 'models', 'octet-demo-f16.gguf'))
    .option('--budget <size>', 'what the file may take: 8MiB, 5bpw, or q5_k_m for no more than that format')
    .option('--out <path>', 'write the recipe here')
    .option('--json <path>', 'write everything that was measured here')
    .option('--formats <list>', 'formats to choose from (default: f16,q8_0,q6_k,q5_k,q4_k,iq4_xs,q3_k,q2_k)')
    .option('--group <name>', "tensor (each layer's part), kind (a part in all layers) or layer", 'tensor')
    .option('--fix <pattern=format>', 'settle the format of some tensors, as in recipes; may be repeated', collect, [])
    .option(
      '--text <path>',
      'text to choose by: a file or a URL',
      join(packageRoot(), 'config', 'evals', 'calibration.txt'),
    )
    .option('--eval-text <path>', 'text to judge by (default: a quarter of --text, held back)')
    .option('--context <tokens>', 'tokens of one window', '256')
    .option('--chunks <count>', 'windows to choose by at most, taken evenly from the text', '8')
    .option('--eval-chunks <count>', 'windows to judge by at most', '32')
    .option('--steps <list>', 'steps before formats to try: auto, none, or of smooth, awq', 'auto')
    .option('--imatrix <file>', 'an importance matrix in GGUF form; quantize with the same one')
    .option('--allow-requantize', 'also start from a file that is quantized already')
    .option('--compare <list>', 'formats and recipes to judge too (default: the three largest within the budget)')
    .option('--rounds <count>', 'rounds of refinement at most', '3')
    .option('--threads <count>', 'CPU threads; 0 means one per core', '0')
    .option('--gpu <name>', 'auto, cuda, vulkan, metal or off', 'auto')
    .option('--gpu-layers <count>', 'layers on the GPU; -1 means all', '-1')
    .option(
      '--cache <folder>',
      'where measurements are kept (default: octet/recommend in the cache folder of the user)',
    )
    .addHelpText('after', notes);
}

async function run(flags: Flags, terminal: Terminal): Promise<number> {
  for (const path of [flags.out, flags.json])
    if (path !== undefined && !existsSync(dirname(resolve(path))))
      throw new Error(`the folder of the file to write must exist. Given: ${path}`);
  const [{ recommend }, { formatRecommendation }] = await Promise.all([
    import('../../precision/recommend/recommend.ts'),
    import('../../precision/recommend/recommendation-table.ts'),
  ]);
  const wish = await wishOf(flags, terminal);
  const progress = createEtaProgress(terminal);
  // Ended by a signal, the process still runs what removes the parts of the model.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));
  let reusedCount = 0;
  const { report, recipe, statistics } = await recommend(wish, {
    progress,
    onReused: (count) => {
      reusedCount = count;
    },
  }).finally(progress.end);
  if (reusedCount > 0) terminal.tell(`${reusedCount} measurements were made by an earlier run`);
  if (statistics !== undefined) copyWhole(statistics, flags.out);
  writeWhole(flags.out, recipe);
  if (flags.json !== undefined) writeWhole(flags.json, `${JSON.stringify(report, null, 1)}\n`);
  terminal.print(formatRecommendation(report));
  const { imatrix } = flags;
  const importance = imatrix === undefined ? '' : ` --imatrix ${imatrix}`;
  const beside = statistics === undefined ? '' : ` and, beside it, ${statistics.name}, which it reads`;
  terminal.print(
    `\nwrote ${flags.out}${beside}; octet quantize ${flags.model} OUT.gguf --to ${flags.out}${importance} makes the file, ` +
      `octet serve --model ${flags.model} --weights ${flags.out}${importance} serves it`,
  );
  return 0;
}

async function wishOf(flags: Flags, terminal: Terminal): Promise<RecommendWish> {
  const [{ loadLibraries }, { checkGguf, defaultModelDirectory, resolveModelSource }] = await Promise.all([
    import('../../llama/libraries.ts'),
    import('../../llama/source.ts'),
  ]);
  const [{ parseBudget }, { formatsUsual }, { defaultWeightsFolder }, { availableParallelism }] = await Promise.all([
    import('../../precision/recommend/budget.ts'),
    import('../../precision/recommend/prepare-search.ts'),
    import('../../precision/cache/folder.ts'),
    import('node:os'),
  ]);
  const budget = parseBudget(flags.budget, parseByteSize);
  const source = await resolveModelSource(flags.model, { directory: defaultModelDirectory() });
  await checkGguf(source);
  return {
    libraries: loadLibraries({ gpu: flags.gpu, log: (level, text) => level === 'error' && terminal.tell(text) }),
    source,
    budget,
    budgetGiven: flags.budget,
    formats: flags.formats ?? formatsUsual,
    grouping: flags.group,
    fixed: flags.fix,
    steps: flags.steps,
    importancePath: flags.imatrix,
    allowRequantize: flags.allowRequantize === true,
    name: basename(flags.out).replace(/\.json$/i, ''),
    text: flags.text,
    evalText: flags.evalText,
    contextTokens: flags.context,
    windowsMax: flags.chunks,
    evalWindowsMax: flags.evalChunks,
    compare: flags.compare,
    roundsMax: flags.rounds,
    threads: flags.threads || availableParallelism(),
    gpuLayers: flags.gpuLayers,
    cacheFolder: flags.cache ?? join(dirname(defaultWeightsFolder()), 'recommend'),
    version: packageVersion(),
    command: `octet ${process.argv.slice(2).join(' ')}`,
  };
}

/** Puts a matrix beside the recipe that names it. */
function copyWhole({ path, name }: NamedStatistics, recipe: string): void {
  const target = join(dirname(resolve(recipe)), name);
  copyFileSync(path, `${target}.unfinished`);
  renameSync(`${target}.unfinished`, target);
}

/** Renamed when whole, so that nobody reads half a recipe. */
function writeWhole(path: string, text: string): void {
  const target = resolve(path);
  mkdirSync(dirname(target), { recursive: true });
  writeFileSync(`${target}.unfinished`, text);
  renameSync(`${target}.unfinished`, target);
}
