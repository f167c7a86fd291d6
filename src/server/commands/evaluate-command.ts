// `octet evaluate`: quality, speed and memory over a grid of weights and KV types, against a reference.

import { accessSync, constants, mkdirSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { Command } from 'commander';
import { z } from 'zod';
import type { EvaluationPorts } from '../../precision/evaluate/plan.ts';
import type { EvaluationWish } from '../../precision/evaluate/prepare-plan.ts';
import { packageRoot, packageVersion } from '../package-root.ts';
import { byteSize } from '../settings-forms.ts';
import type { Terminal, ToolCommand } from './command.ts';
import { createEtaProgress } from './eta-progress.ts';

const list = z.string().transform((text) =>
  text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== ''),
);
const whole = (min: number, max: number) =>
  z.string().transform((text, context) => {
    const value = Number(text);
    if (Number.isInteger(value) && value >= min && value <= max) return value;
    context.addIssue({ code: 'custom', message: `must be an integer from ${min} to ${max}. Given: ${text}` });
    return z.NEVER;
  });
const oneOf = <const Name extends string>(names: readonly Name[]) =>
  z.enum(names, { error: ({ input }) => `must be one of ${names.join(', ')}. Given: ${String(input)}` });

const flagsSchema = z.object({
  model: z.string(),
  weights: list,
  imatrix: z.string().optional(),
  weightsCache: z.string(),
  kv: list.optional(),
  reference: z.string().optional(),
  text: z.string().optional(),
  context: whole(8, 1 << 24),
  chunks: whole(1, 1 << 24).optional(),
  metrics: list.pipe(z.array(oneOf(['perplexity', 'kl', 'tasks', 'serving'])).min(1)).optional(),
  topK: whole(1, 1 << 20).optional(),
  suite: oneOf(['quick', 'standard', 'full']).optional(),
  tasks: list,
  evals: z.string().optional(),
  items: whole(1, 1 << 24).optional(),
  samples: whole(1, 1000),
  seed: whole(0, 2 ** 32 - 1),
  threads: whole(0, 1024),
  gpu: oneOf(['auto', 'cuda', 'vulkan', 'metal', 'off']),
  gpuLayers: whole(-1, 10_000),
  memory: byteSize({ min: 1024, max: 64 * 1024 ** 4 }),
  json: z.string().optional(),
  html: z.string().optional(),
  skipBroken: z.boolean().optional(),
});

type Flags = z.infer<typeof flagsSchema>;

export const evaluateCommand: ToolCommand = {
  name: 'evaluate',
  declare(command, choose) {
    declareFlags(command).action((given: unknown) => {
      const parsed = flagsSchema.safeParse(given);
      if (parsed.success) choose((terminal) => run(parsed.data, terminal));
      else command.error(parsed.error.issues.map((issue) => `--${flagName(issue.path)} ${issue.message}`).join('; '));
    });
  },
};

/** `topK` is written --top-k. */
function flagName(path: readonly PropertyKey[]): string {
  return String(path[0] ?? '').replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

function declareFlags(command: Command): Command {
  return command
    .description('Measure quality, speed and memory of weights and KV types against a reference.')
    .option('--model <path>', 'the GGUF model', join(packageRoot(), 'models', 'octet-demo-f16.gguf'))
    .option(
      '--weights <list>',
      'weights to compare: `file` (the model as it is), GGUF files, formats and recipes as in `octet quantize`, emulated formats',
      'file',
    )
    .option('--imatrix <file>', 'an importance matrix for formats and recipes')
    .option('--weights-cache <folder>', "where weights that are made are kept (default: the user's cache folder)", '')
    .option('--kv <list>', 'KV types to compare: f16, q8_0, q4_0, ... or K:V pairs (default: f16; a suite takes three)')
    .option('--reference <cell>', 'WEIGHTS, KV or WEIGHTS/KV to compare with (default: the model as it is)')
    .option('--text <path>', 'text to measure perplexity and divergence on: a file or a URL')
    .option('--context <tokens>', 'tokens of one window', '512')
    .option('--chunks <count>', 'windows at most (default: all)')
    .option('--metrics <list>', 'perplexity, kl, tasks, serving (default: what the other flags imply)')
    .option('--top-k <count>', 'keep the k likeliest tokens of the reference instead of running it beside each cell')
    .option('--suite <name>', 'quick, standard or full: shipped text and items, every metric')
    .option(
      '--tasks <list>',
      'KIND:PATH each, or recall; KIND: hellaswag, arc, truthfulqa, choice, probes, gsm8k, humaneval-js',
      '',
    )
    .option('--evals <folder>', 'a folder with public evaluation files, each in its known place')
    .option('--items <count>', 'items of each task at most, chosen by --seed')
    .option('--samples <count>', 'answers for each code problem, for pass@k', '1')
    .option('--seed <number>', 'chooses items, and draws where answers are sampled', '0')
    .option('--threads <count>', 'CPU threads; 0 means one per core', '0')
    .option('--gpu <name>', 'auto, cuda, vulkan, metal or off', 'auto')
    .option('--gpu-layers <count>', 'layers on the GPU; -1 means all', '-1')
    .option('--memory <size>', 'memory to count contexts for, such as 24GiB', '8GiB')
    .option('--json <path>', 'write the result here; an interrupted run goes on from OUT.json.partial')
    .option('--html <path>', 'write a report here: one file that needs no network')
    .option('--skip-broken', 'leave out broken lines of item files instead of refusing the file')
    .addHelpText(
      'after',
      `
Examples:
  octet evaluate --suite quick --json out.json
  octet evaluate --model m-f16.gguf --weights file,m-q8_0.gguf,m-q4_k_m.gguf --text wiki.test.raw --json out.json
  octet evaluate --model m-bf16.gguf --weights q8_0,q4_k_m,int4-protected-edges,fp8_e4m3 --suite standard --html out.html
  octet evaluate --kv f16,q8_0,q4_0 --tasks hellaswag:hellaswag_val_full.txt --items 1000`,
    );
}

async function run(flags: Flags, terminal: Terminal): Promise<number> {
  checkTarget('--json', flags.json);
  checkTarget('--html', flags.html);
  // Loaded only here: `octet serve` must not wait for it.
  const [{ loadLibraries }, { resolveModelSource, defaultModelDirectory }, { createWeightsResolver }] =
    await Promise.all([
      import('../../llama/libraries.ts'),
      import('../../llama/source.ts'),
      import('../../precision/evaluate/resolve-weights.ts'),
    ]);
  const [{ preparePlan }, { evaluate }, { formatEvaluation }, { openPartialResults }] = await Promise.all([
    import('../../precision/evaluate/prepare-plan.ts'),
    import('../../precision/evaluate/evaluate.ts'),
    import('../../precision/evaluate/table.ts'),
    import('../../precision/evaluate/partial-results.ts'),
  ]);
  const libraries = loadLibraries({ gpu: flags.gpu, log: (level, text) => level === 'error' && terminal.tell(text) });
  const progress = createEtaProgress(terminal);
  const modelPath = await resolveModelSource(flags.model, { directory: defaultModelDirectory() });
  const plan = await preparePlan(wishOf(flags, modelPath), {
    libraries,
    resolve: createWeightsResolver({
      libraries,
      threads: flags.threads,
      cacheFolder: flags.weightsCache,
      importancePath: flags.imatrix,
      progress,
      warn: terminal.tell,
    }),
    shippedFolder: join(packageRoot(), 'config', 'evals'),
    warn: terminal.tell,
  });
  const partial = openPartialResults(
    flags.json === undefined ? undefined : `${resolve(flags.json)}.partial`,
    plan.cells.map(({ weights }) => weights.sha256),
  );
  const ports = { libraries, progress, partial, version: packageVersion(), openEngine: engineOpener(flags, terminal) };
  const result = await evaluate(plan, ports);
  progress.end();
  if (partial.reusedCount() > 0) terminal.tell(`${partial.reusedCount()} pieces were measured by an earlier run`);
  terminal.print(formatEvaluation(result));
  if (flags.json !== undefined) writeWhole(resolve(flags.json), `${JSON.stringify(result, null, 1)}\n`);
  if (flags.html !== undefined) {
    const { renderReport } = await import('../../precision/report/render-report.ts');
    writeWhole(resolve(flags.html), renderReport(result));
  }
  const hasFaults = result.runs.some(({ faults }) => faults.length > 0);
  // A faulty cell is measured again at the next start.
  if (!hasFaults) partial.discard();
  return hasFaults ? 1 : 0;
}

function wishOf(flags: Flags, modelPath: string): EvaluationWish {
  return {
    modelPath,
    weights: flags.weights,
    kv: flags.kv,
    reference: flags.reference,
    text: flags.text,
    contextTokens: flags.context,
    windowsMax: flags.chunks,
    metrics: flags.metrics,
    topK: flags.topK,
    suite: flags.suite,
    tasks: flags.tasks,
    evalsFolder: flags.evals,
    itemsMax: flags.items,
    codeSamples: flags.samples,
    skipBroken: flags.skipBroken === true,
    seed: flags.seed,
    threads: flags.threads,
    gpuLayers: flags.gpuLayers,
    memoryBytes: flags.memory,
    command: `octet ${process.argv.slice(2).join(' ')}`,
  };
}

/** The engine that serves, sized for evaluations. */
function engineOpener(flags: Flags, terminal: Terminal): EvaluationPorts['openEngine'] {
  return async ({ path, kvTypes, threads, sequencesMax, contextTokens }) => {
    const { openLocalEngine } = await import('../engine/local-engine.ts');
    return openLocalEngine(
      {
        modelPath: path,
        gpu: flags.gpu,
        gpuLayers: flags.gpuLayers,
        threads,
        kvTypes: `${kvTypes.k}:${kvTypes.v}`,
        kvLayout: 'auto',
        kvBlocks: 0,
        kvMemoryBytes: 0,
        blockTokens: 16,
        contextTokens,
        sequencesMax,
        stepTokensMax: 2048,
        microBatchTokens: 512,
        itlTargetMs: 0,
        policy: 'fcfs',
        preemption: 'auto',
        parkBytesMax: 'auto',
        prefixBytesMax: 0,
        // This process is the evaluation's own: nobody waits for its answers.
        grammarTimeoutMs: 10_000,
        nice: 0,
      },
      { log: (level, text) => level === 'error' && terminal.tell(text), onProgress: () => undefined },
    );
  };
}

/** Throws before anything is measured when the result could not be written. */
function checkTarget(flag: string, path: string | undefined): void {
  if (path === undefined) return;
  const folder = dirname(resolve(path));
  try {
    mkdirSync(folder, { recursive: true });
    accessSync(folder, constants.W_OK);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`${flag} must be a path that can be written. Given: ${path} (${reason})`);
  }
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true)
    throw new Error(`${flag} must be the path of a file. Given: ${path}, which is a folder`);
}

/** Renamed when whole, so that nobody reads half a result. */
function writeWhole(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(`${path}.unfinished`, text);
  renameSync(`${path}.unfinished`, path);
}
