// `octet plan`: what fits a memory, for each pair of weights and KV types, before anything is loaded.

import { join } from 'node:path';
import type { Command } from 'commander';
import { z } from 'zod';
import { type KvTypes, parseKvTypes } from '../../kv-types.ts';
import type { PlanWish } from '../capacity/plan-grid.ts';
import type { SpeculationConfiguration } from '../engine/engine-configuration.ts';
import { packageRoot } from '../package-root.ts';
import { byteSize } from '../settings-forms.ts';
import { settingsSchema } from '../settings-schema.ts';
import type { Terminal, ToolCommand } from './command.ts';
import { commaList, flagFaults, oneOf, wholeNumber } from './flag-forms.ts';

const flagsSchema = z.object({
  model: z.string().optional(),
  memory: z
    .string()
    .transform((text, context) => {
      const read = byteSize({ min: 2 ** 20, max: 2 ** 50 }).safeParse(text);
      if (read.success) return read.data;
      context.addIssue({
        code: 'custom',
        message: `must be a size from 1MiB to 1024TiB, such as 24GiB. Given: ${text}`,
      });
      return z.NEVER;
    })
    .optional(),
  context: wholeNumber(0, 1 << 24),
  concurrency: wholeNumber(1, 256),
  weights: commaList.optional(),
  kv: commaList.transform((texts, context): readonly KvTypes[] => {
    if (texts.length === 0) context.addIssue({ code: 'custom', message: 'must name at least one KV type' });
    return texts.flatMap((text) => {
      const parsed = parseKvTypes(text);
      if (parsed.kind === 'parsed') return [parsed.types];
      context.addIssue({ code: 'custom', message: `is wrong: ${parsed.message}` });
      return [];
    });
  }),
  layout: oneOf(['auto', 'pooled', 'per-sequence']),
  blockTokens: wholeNumber(1, 1024),
  stepTokens: wholeNumber(1, 1_048_576),
  microBatch: wholeNumber(1, 65_536),
  gpu: oneOf(['auto', 'cuda', 'vulkan', 'metal', 'off']),
  gpuLayers: wholeNumber(-1, 10_000),
  draft: z.string().optional(),
  mtp: z.boolean().optional(),
  json: z.boolean().optional(),
});
type Flags = z.infer<typeof flagsSchema>;

const notes = `
Weights, KV cache and compute buffers are measured by letting the kernels lay everything out without allocating it, as octet serve
does at its start; the same settings there give the same blocks.

Examples:
  octet plan model-f16.gguf --memory 24GiB --context 32768 --concurrency 16
  octet plan --model model-f16.gguf --memory 16GiB --weights q8_0,q4_k_m,mine.json --kv f16,q8_0,q4_0 --json`;

export const planCommand: ToolCommand = {
  name: 'plan',
  declare(command, choose) {
    declareFlags(command).action((model: string | undefined, given: Readonly<Record<string, unknown>>) => {
      if (model !== undefined && given['model'] !== undefined)
        command.error(`the model must be given once. Given: ${model} and --model ${String(given['model'])}`);
      const parsed = flagsSchema.safeParse({ ...given, model: model ?? given['model'] });
      if (parsed.success) choose((terminal) => run(parsed.data, terminal));
      else command.error(flagFaults(parsed.error));
    });
  },
};

function declareFlags(command: Command): Command {
  return command
    .description('Tell what fits a memory, for each pair of weights and KV types.')
    .argument('[model]', 'the GGUF model (default: the embedded one)')
    .option('--model <path>', 'the same')
    .option('--memory <size>', 'for weights, buffers and cache together, such as 24GiB (default: what is free now)')
    .option('--context <tokens>', "longest sequence; 0 means the model's training context", '0')
    .option('--concurrency <count>', 'requests that run at once (--sequences-max of octet serve)', '32')
    .option(
      '--weights <list>',
      '`file`, formats and recipes (default: file, and for 16 or 32 bits q8_0, q6_k, q5_k_m, q4_k_m)',
    )
    .option('--kv <list>', 'KV types, or K:V pairs', 'f16,q8_0,q4_0')
    .option('--layout <name>', 'auto, pooled or per-sequence, as --kv-layout', 'auto')
    .option('--block-tokens <count>', 'tokens of one block', '16')
    .option('--step-tokens <count>', 'most tokens that one step computes', '2048')
    .option('--micro-batch <count>', 'tokens that the kernels compute at once', '512')
    .option('--gpu <name>', 'auto, cuda, vulkan, metal or off', 'auto')
    .option('--gpu-layers <count>', 'layers on the GPU; -1 means all', '-1')
    .option('--draft <path>', 'a draft model that is served beside it (--speculative draft of octet serve)')
    .option('--mtp', "the model's own multi-token head guesses (--speculative mtp of octet serve)")
    .option('--json', 'print it as JSON')
    .addHelpText('after', notes);
}

async function run(flags: Flags, { print, tell }: Terminal): Promise<number> {
  const [{ planGrid }, { formatGridPlan, gridAsData }, { loadLibraries }, source] = await Promise.all([
    import('../capacity/plan-grid.ts'),
    import('../capacity/plan-table.ts'),
    import('../../llama/libraries.ts'),
    import('../../llama/source.ts'),
  ]);
  const model = flags.model ?? join(packageRoot(), 'models', 'octet-demo-f16.gguf');
  const path = await source.resolveModelSource(model, { directory: source.defaultModelDirectory() });
  await source.checkGguf(path);
  const libraries = loadLibraries({ gpu: flags.gpu, log: (level, text) => level === 'error' && tell(text) });
  const { engine, ...wish } = wishOf(flags);
  const speculation = await speculationOf(flags);
  const plan = await planGrid({ ...wish, engine: { ...engine, speculation }, libraries, source: path });
  print(flags.json ? JSON.stringify(gridAsData(plan), null, 2) : formatGridPlan(plan));
  return 0;
}

/** A draft model, or the model's head, as octet serve has it by default. */
async function speculationOf({ draft, mtp }: Flags): Promise<SpeculationConfiguration | undefined> {
  if (draft !== undefined && mtp === true) throw new Error('--draft and --mtp exclude each other');
  if (mtp === true) return { draftTokensMax: 1, head: { threads: 0, cacheTokens: 0 } };
  if (draft === undefined) return undefined;
  const { resolveModelSource, defaultModelDirectory, checkGguf } = await import('../../llama/source.ts');
  const modelPath = await resolveModelSource(draft, { directory: defaultModelDirectory() });
  await checkGguf(modelPath);
  return { draftTokensMax: 1, draft: { modelPath, threads: 0, cacheTokens: 0 } };
}

function wishOf(flags: Flags): Omit<PlanWish, 'libraries' | 'source'> {
  return {
    memoryBytes: flags.memory,
    weights: flags.weights,
    kv: flags.kv,
    contextTokens: flags.context,
    concurrency: flags.concurrency,
    engine: {
      gpu: flags.gpu,
      gpuLayers: flags.gpuLayers,
      threads: 0,
      kvLayout: flags.layout,
      blockTokens: flags.blockTokens,
      stepTokensMax: flags.stepTokens,
      microBatchTokens: flags.microBatch,
      drawing: settingsSchema.shape.drawing.parse(undefined),
      itlTargetMs: 0,
      policy: 'fcfs',
      preemption: 'auto',
      parkBytesMax: 'auto',
      prefixBytesMax: 'auto',
      nice: 0,
      grammarTimeoutMs: 1000,
      embedding: { pooling: 'auto', inputTokensMax: 0 },
    },
  };
}
