// `octet tune`: threads, micro-batch, step size and KV layout that are fastest for this model on this device, found by timing them.

import type { Command } from 'commander';
import { z } from 'zod';
import { engineConfiguration } from '../engine-settings.ts';
import { packageVersion } from '../package-root.ts';
import { resolveSettings, type SettingSources } from '../resolve-settings.ts';
import { describeFault } from '../settings-faults.ts';
import { type FlagValues, settingOptions, termOf } from '../settings-flags.ts';
import { settingList } from '../settings-list.ts';
import type { Settings } from '../settings-schema.ts';
import type { Device } from '../tune/device.ts';
import { type LoadWish, lengthFault } from '../tune/expected-load.ts';
import type { KeptTuning } from '../tune/kept-results.ts';
import type { PreparedModel } from '../tune/prepare-model.ts';
import type { TuningReport } from '../tune/report.ts';
import { type Knob, knobs } from '../tune/speed-values.ts';
import { tuneSettingNames } from '../tune/tune-settings.ts';
import type { Terminal, ToolCommand } from './command.ts';
import { createEtaProgress } from './eta-progress.ts';
import { flagFaults, wholeNumber } from './flag-forms.ts';
import { interruptedExitCode, watchInterruption } from './interruption.ts';

const flagsSchema = z.object({
  seconds: wholeNumber(1, 86_400),
  streams: wholeNumber(1, 10_000).optional(),
  promptTokens: wholeNumber(1, 10_000_000).optional(),
  outputTokens: wholeNumber(1, 10_000_000).optional(),
  sharedPrefix: wholeNumber(0, 10_000_000).optional(),
  json: z.boolean().optional(),
  dryRun: z.boolean().optional(),
});
type Flags = z.infer<typeof flagsSchema>;

const notes = `
Give it what octet serve gets: settings come from flags, OCTET_* variables and --config alike. A knob that is set there is
left as it is. What is found is kept by the model's content and the device, and octet serve --tuned uses it. Nothing else
should run meanwhile: every value is timed beside the best one until then, but a machine without noise tells more.
With --kv-layout auto it also measures what steps cost in each layout, and weighs the two for the load that --streams,
--prompt-tokens, --output-tokens and --shared-prefix describe.

Examples:
  octet tune
  octet tune --model ./model.gguf --kv f16 --sequences-max 64 --seconds 180
  octet tune --model ./model.gguf --streams 32 --shared-prefix 2000 --prompt-tokens 200 --output-tokens 300
  octet serve --model ./model.gguf --kv f16 --sequences-max 64 --tuned`;

export const tuneCommand: ToolCommand = {
  name: 'tune',
  declare(command, choose) {
    declareFlags(command).action((given: FlagValues) => {
      const own = flagsSchema.safeParse(given);
      const resolved = resolveSettings({ flags: given, faults: [], env: process.env });
      const faults = [
        ...(own.success ? [] : [flagFaults(own.error)]),
        ...(resolved.kind === 'faults' ? resolved.faults.map(describeFault) : []),
        ...(own.success && resolved.kind !== 'faults' ? lengthFaults(own.data, resolved.settings) : []),
      ];
      if (!own.success || resolved.kind === 'faults' || faults.length > 0) return command.error(faults.join('; '));
      choose((terminal) => run(own.data, resolved, terminal));
    });
  },
};

function declareFlags(command: Command): Command {
  command
    .description('Find the fastest threads, micro-batch, step size and KV layout for a model on this device.')
    .configureHelp({ optionTerm: termOf })
    .option('--seconds <count>', 'time for all of it, once the model is loaded', '60')
    .option('--streams <count>', 'requests under way at any time, for the KV layout (default: --sequences-max)')
    .option('--prompt-tokens <count>', 'mean length of their prompts, the shared prefix not counted (default: 512)')
    .option('--output-tokens <count>', 'mean length of their answers (default: 128)')
    .option('--shared-prefix <tokens>', 'what all prompts begin with (default: 0)')
    .option('--json', 'print what was found as JSON')
    .option('--dry-run', 'only tell what would be tried');
  for (const option of settingOptions(settingList.filter(isTaken))) command.addOption(option);
  return command.addHelpText('after', notes);
}

function loadOf({ streams, promptTokens, outputTokens, sharedPrefix }: Flags): LoadWish {
  return { streams, promptTokens, outputTokens, sharedTokens: sharedPrefix };
}

/** Of what was said alone: the rest is fitted to the longest sequence. */
function lengthFaults(flags: Flags, { context }: Settings): readonly string[] {
  const { promptTokens = 1, outputTokens = 1, sharedPrefix: sharedTokens = 0 } = flags;
  const fault = context === 0 ? undefined : lengthFault({ promptTokens, outputTokens, sharedTokens }, context);
  return fault === undefined ? [] : [fault];
}

function isTaken({ name }: { readonly name: string }): boolean {
  return tuneSettingNames.some((known) => known === name);
}

interface Given {
  readonly settings: Settings;
  readonly sources: SettingSources;
}

async function run(flags: Flags, given: Given, terminal: Terminal): Promise<number> {
  const interruption = watchInterruption(() => process.exit(interruptedExitCode));
  const progress = createEtaProgress(terminal);
  try {
    return await tune(flags, given, { terminal, progress, signal: interruption.signal });
  } catch (error) {
    if (!interruption.signal.aborted) throw error;
    progress.end();
    terminal.tell('interrupted; nothing is kept');
    return interruptedExitCode;
  } finally {
    progress.end();
    interruption.stop();
  }
}

/** What was set by flag, environment or file stays, also where a file sets what would be the default. */
function fixedKnobs(sources: SettingSources): readonly Knob[] {
  return knobs.filter((knob) => sources[knob] !== 'default');
}

function describeFixed(fixed: readonly Knob[], sources: SettingSources): string {
  return `left as set: ${fixed.map((knob) => `${knob} (${sources[knob]})`).join(', ')}`;
}

interface Surroundings {
  readonly terminal: Terminal;
  readonly progress: ReturnType<typeof createEtaProgress>;
  readonly signal: AbortSignal;
}

async function tune(flags: Flags, given: Given, surroundings: Surroundings): Promise<number> {
  const [{ prepareModel }, { runTuneProcess }, { formatRehearsal }] = await Promise.all([
    import('../tune/prepare-model.ts'),
    import('../tune/tune-process.ts'),
    import('../tune/tune-table.ts'),
  ]);
  const { terminal, progress, signal } = surroundings;
  const { settings, sources } = given;
  const fixed = fixedKnobs(sources);
  if (fixed.length > 0) terminal.tell(describeFixed(fixed, sources));
  if (fixed.length === knobs.length && settings.kvLayout !== 'auto')
    throw new Error('every knob is set, and the KV layout, so that there is nothing to try');
  const model = await prepareModel(settings, { signal, warn: terminal.tell });
  progress.start('loading the model', flags.seconds);
  const outcome = await runTuneProcess(
    {
      kind: 'tune',
      configuration: engineConfiguration(settings, model.served),
      fixed,
      load: loadOf(flags),
      secondsMax: flags.seconds,
      isRehearsal: flags.dryRun === true,
    },
    { signal, onProgress: (label, seconds) => progress.advance(Math.round(seconds), label) },
  );
  progress.end();
  switch (outcome.kind) {
    case 'failed':
      throw new Error(outcome.reason);
    case 'device':
      throw new Error('the tuning process told its device alone');
    case 'rehearsed':
      terminal.print(flags.json ? JSON.stringify(outcome, null, 2) : formatRehearsal(outcome.rehearsal));
      return 0;
    case 'tuned':
      return keepAndTell(flags, given, { ...outcome, model, terminal });
  }
}

interface Found {
  readonly device: Device;
  readonly report: TuningReport;
  readonly model: PreparedModel;
  readonly terminal: Terminal;
}

async function keepAndTell(flags: Flags, given: Given, { device, report, model, terminal }: Found): Promise<number> {
  const [{ identityOf }, { conditionsOf, keepTuning, readTuning }, { tuningHome }, { succeed }] = await Promise.all([
    import('../tune/identity.ts'),
    import('../tune/kept-results.ts'),
    import('../tune/tuned-settings.ts'),
    import('../tune/earlier-layouts.ts'),
  ]);
  const { settings } = given;
  const folder = tuningHome(settings);
  const result = {
    kind: 'octet-tuning',
    at: new Date().toISOString(),
    octet: packageVersion(),
    model: model.name,
    identity: await identityOf(settings, { ...model, device, folder }),
    conditions: conditionsOf(settings),
    report,
  } as const;
  const { result: kept, told } = succeed(result, await readTuning(folder, result.identity));
  if (told !== undefined) terminal.tell(told);
  // What took a minute to find is told also where it cannot be kept.
  const path = await keepTuning(folder, kept).catch((error: unknown) => {
    const reason = error instanceof Error ? error.message : String(error);
    terminal.tell(`the result cannot be kept, so that --tuned will not find it: ${reason}`);
    return undefined;
  });
  if (flags.json) terminal.print(JSON.stringify({ ...result, path: path ?? null }, null, 2));
  else await tellPeople(result, given, { path, terminal });
  return path === undefined ? 1 : 0;
}

interface Telling {
  /** Where the result is kept; undefined where it could not be. */
  readonly path: string | undefined;
  readonly terminal: Terminal;
}

async function tellPeople(
  { model, identity, report }: KeptTuning,
  { settings, sources }: Given,
  { path, terminal }: Telling,
): Promise<void> {
  const [{ flagsOf, formatIdentity, formatReport }, { serveCommandLine }] = await Promise.all([
    import('../tune/tune-table.ts'),
    import('../tune/tuned-settings.ts'),
  ]);
  terminal.print(`${model}: ${formatIdentity(identity)}\n`);
  terminal.print(`${formatReport(report)}\n`);
  if (path !== undefined) terminal.print(`kept in ${path}; ${serveCommandLine(settings, sources)} --tuned uses it`);
  const byHand = flagsOf(report);
  if (byHand !== '') terminal.print(`by hand: ${byHand}`);
}
