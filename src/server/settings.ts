// The command line of `octet` with its settings, or another command with its own.

import { parseCommandLine } from './command-line.ts';
import type { ToolRun } from './commands/command.ts';
import { type ResolvedSettings, resolveSettings } from './resolve-settings.ts';

export type LoadedSettings =
  | Extract<ResolvedSettings, { kind: 'settings' }>
  | (Extract<ResolvedSettings, { kind: 'faults' }> & { readonly command?: string })
  /** Another command than serve: it has its own options. */
  | { readonly kind: 'tool'; readonly run: ToolRun }
  /** The text was asked for: print it and exit with 0. */
  | { readonly kind: 'help'; readonly text: string }
  | { readonly kind: 'version'; readonly text: string };

export interface SettingsInput {
  /** Arguments after the program's name, the command included: `['serve', '--port', '8000']`. */
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** Reads every source and checks every value. Reads the file of --config; prints nothing. */
export function loadSettings({ argv, env }: SettingsInput): LoadedSettings {
  const commandLine = parseCommandLine(argv);
  if (commandLine.kind !== 'serve') return commandLine;
  return resolveSettings({ ...commandLine, env });
}
