// `octet calibrate`: an importance matrix from text, and what one says.

import { existsSync, renameSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, resolve } from 'node:path';
import type { Command } from 'commander';
import { z } from 'zod';
import type { CalibrationWish } from '../../precision/calibrate/calibrate.ts';
import type { MatrixFile } from '../../precision/calibrate/matrix.ts';
import type { Terminal, ToolCommand, ToolRun } from './command.ts';
import { createEtaProgress } from './eta-progress.ts';
import { interruptedExitCode, watchInterruption } from './interruption.ts';

const whole = (min: number, max: number) =>
  z.string().transform((text, context) => {
    const value = Number(text);
    if (/^-?\d+$/.test(text) && value >= min && value <= max) return value;
    context.addIssue({ code: 'custom', message: `must be an integer from ${min} to ${max}. Given: ${text}` });
    return z.NEVER;
  });
const oneOf = <const Name extends string>(names: readonly Name[]) =>
  z.enum(names, { error: ({ input }) => `must be one of ${names.join(', ')}. Given: ${String(input)}` });

const flagsSchema = z.object({
  model: z.string().optional(),
  text: z.array(z.string()).default([]),
  out: z.string().optional(),
  context: whole(8, 1 << 24),
  chunks: whole(1, 1 << 24).optional(),
  format: oneOf(['auto', 'text', 'chat']),
  outputLayer: z.boolean().optional(),
  parseSpecial: z.boolean().optional(),
  skipBroken: z.boolean().optional(),
  threads: whole(0, 1024),
  gpu: oneOf(['auto', 'cuda', 'vulkan', 'metal', 'off']),
  gpuLayers: whole(-1, 10_000),
  show: z.string().optional(),
  json: z.union([z.string(), z.literal(true)]).optional(),
});

type Flags = z.infer<typeof flagsSchema>;

const examples = `
The file that is written has the form of llama-imatrix and works in octet quantize --imatrix, octet serve --imatrix and
llama-quantize. Interrupted with Ctrl-C or by a crash, the same command goes on where it was.

A chat file has one conversation a line: {"messages": [{"role": "user", "content": "..."}, ...]}, with "tools" if there are
any; it is rendered by the model's own template. Lines of {"text": "..."} are plain texts.

Examples:
  octet calibrate --model model-f16.gguf --text calibration.txt --out model.imatrix.gguf
  octet calibrate --model model-f16.gguf --text chats.jsonl --text prose.txt --chunks 200 --out model.imatrix.gguf
  octet calibrate --show model.imatrix.gguf`;

export const calibrateCommand: ToolCommand = {
  name: 'calibrate',
  declare(command, choose) {
    declareFlags(command).action((given: unknown) => choose(runOf(command, given)));
  },
};

function declareFlags(command: Command): Command {
  return command
    .description('Measure on text how much each input of each weight matters: an importance matrix.')
    .option('--model <path>', 'The GGUF model, best at 16 bits or more.')
    .option('--text <path>', 'Text or chat file (.jsonl) or its URL; may be given more than once.', collect)
    .option('--out <path>', 'The file to write.')
    .option('--context <tokens>', 'Tokens of one window.', '512')
    .option('--chunks <count>', 'Windows at most; default: all of the text.')
    .option('--format <name>', 'What the text files are: auto (chat for .jsonl and .ndjson), text or chat.', 'auto')
    .option('--output-layer', 'Also the inputs of the output layer.')
    .option('--parse-special', 'Control tokens written out in plain text are control tokens.')
    .option('--skip-broken', 'Leave out broken lines of chat files instead of refusing the file.')
    .option('--threads <count>', 'CPU threads; 0 means one per core.', '0')
    .option('--gpu <name>', 'auto, cuda, vulkan, metal or off.', 'auto')
    .option('--gpu-layers <count>', 'Layers on the GPU; -1 means all.', '-1')
    .option('--show <path>', 'Only print what an importance matrix says of each tensor.')
    .option('--json [path]', 'Write the statistics as JSON, to a file or in place of the table.')
    .addHelpText('after', examples);
}

function collect(path: string, before: readonly string[] = []): readonly string[] {
  return [...before, path];
}

function runOf(command: Command, given: unknown): ToolRun {
  const parsed = flagsSchema.safeParse(given);
  if (!parsed.success)
    command.error(parsed.error.issues.map((issue) => `--${flagName(issue.path)} ${issue.message}`).join('; '));
  const flags = parsed.data;
  const { show, model, out, text } = flags;
  if (show !== undefined) return (terminal) => showMatrix(show, flags, terminal);
  if (model === undefined || out === undefined || text[0] === undefined) {
    const needed = { '--model FILE': model, '--text FILE': text[0], '--out FILE.gguf': out };
    const missing = Object.entries(needed).flatMap(([flag, value]) => (value === undefined ? [flag] : []));
    command.error(`${missing.join(', ')} must be given, or --show FILE`);
  }
  return (terminal) => run({ flags, model, target: resolve(out) }, terminal);
}

/** `gpuLayers` is written --gpu-layers. */
function flagName(path: readonly PropertyKey[]): string {
  return String(path[0] ?? '').replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

async function showMatrix(path: string, flags: Flags, terminal: Terminal): Promise<number> {
  const { readMatrixFile } = await import('../../precision/calibrate/matrix-file.ts');
  if (!existsSync(path)) throw new Error(`the importance matrix does not exist: ${path}`);
  await report(await readMatrixFile(path), flags, terminal);
  return 0;
}

interface Chosen {
  readonly flags: Flags;
  readonly model: string;
  readonly target: string;
}

async function run({ flags, model, target }: Chosen, terminal: Terminal): Promise<number> {
  // Loaded only here: `octet serve` must not wait for it.
  const [{ loadLibraries }, { resolveModelSource, defaultModelDirectory, checkGguf }, { calibrate }] =
    await Promise.all([
      import('../../llama/libraries.ts'),
      import('../../llama/source.ts'),
      import('../../precision/calibrate/calibrate.ts'),
    ]);
  if (!existsSync(dirname(target))) throw new Error(`the folder of --out must exist. Given: ${dirname(target)}`);
  const modelPath = await resolveModelSource(model, { directory: defaultModelDirectory() });
  await checkGguf(modelPath);
  const { tell, print } = terminal;
  const libraries = loadLibraries({ gpu: flags.gpu, log: (level, text) => level === 'error' && tell(text) });
  const interruption = watchInterruption(() => process.exit(interruptedExitCode));
  interruption.signal.addEventListener('abort', () =>
    tell('finishing the window under way, then keeping what was measured; once more ends at once'),
  );
  const progress = createEtaProgress(terminal);
  const startedMs = performance.now();
  const { signal } = interruption;
  const outcome = await calibrate(wishOf(flags, modelPath, target), {
    libraries,
    progress,
    signal,
    tell,
  }).finally(() => {
    progress.end();
    interruption.stop();
  });
  if (outcome.kind === 'interrupted') {
    tell(
      `interrupted after ${outcome.doneCount} of ${outcome.totalCount} windows; the same command goes on from there`,
    );
    return interruptedExitCode;
  }
  await report(outcome.matrix, flags, terminal);
  const seconds = (performance.now() - startedMs) / 1000;
  const { entries, chunkCount } = outcome.matrix;
  const line = `${target}: ${entries.size} tensors on ${chunkCount} windows of ${flags.context} tokens, written in ${seconds.toFixed(1)} s`;
  // Printed JSON stands alone.
  if (flags.json === true) tell(line);
  else print(line);
  return 0;
}

function wishOf(flags: Flags, modelPath: string, target: string): CalibrationWish {
  return {
    modelPath,
    target,
    paths: flags.text,
    format: flags.format,
    parsesSpecial: flags.parseSpecial === true,
    skipBroken: flags.skipBroken === true,
    contextTokens: flags.context,
    windowsMax: flags.chunks,
    hasOutput: flags.outputLayer === true,
    threads: flags.threads || availableParallelism(),
    gpuLayers: flags.gpuLayers,
  };
}

async function report(matrix: MatrixFile, { json }: Flags, { print }: Terminal): Promise<void> {
  const [{ matrixStatistics }, { formatStatistics }] = await Promise.all([
    import('../../precision/calibrate/statistics.ts'),
    import('../../precision/calibrate/statistics-table.ts'),
  ]);
  const statistics = matrixStatistics(matrix.entries);
  const { datasets, chunkCount, chunkTokens } = matrix;
  const text = JSON.stringify({ datasets, chunkCount, chunkTokens, tensors: statistics }, null, 1);
  if (json === true) print(text);
  else print(formatStatistics(statistics));
  if (typeof json === 'string') writeWhole(resolve(json), `${text}\n`);
}

/** Renamed when whole, so that nobody reads half a result. */
function writeWhole(path: string, text: string): void {
  writeFileSync(`${path}.unfinished`, text);
  renameSync(`${path}.unfinished`, path);
}
