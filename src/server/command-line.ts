// The command line: what `octet` understands, and the text of --help. Values are checked in resolve-settings.ts, not here.
// Why unknown flags are collected instead of thrown: all faults are wanted at once.

import { Command, CommanderError } from 'commander';
import { nearestName } from '../nearest-name.ts';
import type { ToolRun } from './commands/command.ts';
import { toolCommands } from './commands/list.ts';
import { packageVersion } from './package-root.ts';
import type { SettingFault } from './settings-faults.ts';
import { type FlagValues, settingOptions, termOf } from './settings-flags.ts';
import { settingList } from './settings-list.ts';

export type CommandLine =
  | { readonly kind: 'serve'; readonly flags: FlagValues; readonly faults: readonly SettingFault[] }
  /** Another command than serve, ready to run. */
  | { readonly kind: 'tool'; readonly run: ToolRun }
  | { readonly kind: 'help'; readonly text: string }
  | { readonly kind: 'version'; readonly text: string }
  /** `command`: which one was used wrongly, where that is another than serve. */
  | { readonly kind: 'faults'; readonly faults: readonly SettingFault[]; readonly command?: string };

const examples = `
Every flag has an environment variable: --kv-blocks is OCTET_KV_BLOCKS. A flag wins over the environment, the
environment over the file given with --config, and that over the default.

Examples:
  octet serve
  octet serve --model hf:Qwen/Qwen3-8B-GGUF:Q8_0 --kv q8_0 --port 8000
  octet serve --model ./model.gguf --context 8192 --sequences-max 64 --api-keys-file keys.txt
  octet serve --config octet.json`;

/** Reads the arguments after the program's name. Never prints and never ends the process. */
export function parseCommandLine(argv: readonly string[]): CommandLine {
  let output = '';
  let outcome: CommandLine = { kind: 'faults', faults: [{ kind: 'usage', reason: 'no command was given' }] };
  const write = (text: string): void => {
    output += text;
  };
  const program = buildProgram((serve) => {
    outcome = { kind: 'serve', flags: serve.opts<FlagValues>(), faults: strayArguments(serve.args) };
  });
  for (const { name, declare } of toolCommands) {
    const command = program.command(name).helpOption('-h, --help', 'Print this help.');
    declare(command, (run) => {
      outcome = { kind: 'tool', run };
    });
  }
  let stopped = program;
  for (const command of [program, ...program.commands]) {
    command.configureOutput({ writeOut: write, writeErr: write }).exitOverride((error) => {
      stopped = command;
      throw error;
    });
  }
  try {
    program.parse(argv, { from: 'user' });
    return outcome;
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return outcomeOfStop(error, output, stopped === program ? undefined : stopped.name());
  }
}

/** Commander ends its parsing by throwing, also after printing help. */
function outcomeOfStop(error: CommanderError, output: string, command: string | undefined): CommandLine {
  if (error.code === 'commander.version') return { kind: 'version', text: output.trim() };
  if (error.code.startsWith('commander.help')) return { kind: 'help', text: output };
  const reason = error.message.replace(/^error: /, '').replace(/\s+/g, ' ');
  if (command !== undefined) return { kind: 'faults', faults: [{ kind: 'usage', reason }], command };
  const hint = error.code === 'commander.unknownOption' ? ' Flags follow a command: octet serve [flags].' : '';
  return { kind: 'faults', faults: [{ kind: 'usage', reason: reason + hint }] };
}

function buildProgram(onServe: (serve: Command) => void): Command {
  const program = new Command('octet')
    .description('An OpenAI-compatible LLM inference server over quantized native kernels.')
    .version(`octet ${packageVersion()}`, '-V, --version', 'Print the version.')
    .helpOption('-h, --help', 'Print this help.')
    .helpCommand(false)
    .addHelpText('after', '\noctet serve --help lists every setting.');
  const serve = program
    .command('serve')
    .usage('[flags]')
    .description('Serve a model over HTTP.')
    .helpOption('-h, --help', 'Print this help.')
    .allowUnknownOption()
    .allowExcessArguments()
    .configureHelp({ optionTerm: termOf })
    .addHelpText('after', examples)
    .action((_options, command: Command) => onServe(command));
  for (const option of settingOptions(settingList)) serve.addOption(option);
  return program;
}

/** What commander could not place: mistyped flags (values that follow them are part of the same mistake). */
function strayArguments(rest: readonly string[]): SettingFault[] {
  const known = ['--config', ...settingList.flatMap((setting) => setting.flag ?? [])];
  const flags = rest.filter((argument) => argument.startsWith('-') && argument !== '-');
  if (flags.length === 0)
    return rest.map((argument) => ({ kind: 'usage', reason: `unexpected argument: ${argument}` }));
  return flags.map((argument) => {
    const name = argument.split('=', 1)[0] ?? argument;
    return { kind: 'unknown', name, suggestion: secretFor(name) ?? nearestName(name, known), source: 'flag' };
  });
}

/** Secrets have no flag, because other users of the machine can read a command line. */
function secretFor(flag: string): string | undefined {
  const variable = `OCTET_${flag.replace(/^-+/, '').replaceAll('-', '_').toUpperCase()}`;
  return settingList.some((setting) => setting.secret && setting.variable === variable) ? variable : undefined;
}
