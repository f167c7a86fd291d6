// What a command besides `serve` is: `octet NAME ...` runs once, prints, and ends with an exit code.
// Why the work is a function handed back: the command line is parsed without side effects, and tests read what was chosen.

import type { Command } from 'commander';

export interface Terminal {
  /** Results: standard output. */
  readonly print: (text: string) => void;
  /** Progress, warnings and faults: standard error. */
  readonly tell: (text: string) => void;
  /** Whether standard output is a terminal: tables and colour there, plain text or JSON elsewhere. */
  readonly isInteractive: boolean;
  readonly hasColor: boolean;
  readonly columns: number;
}

/** Does the work; answers the exit code. An Error it throws is printed by its message alone, and the exit code is 1. */
export type ToolRun = (terminal: Terminal) => Promise<number>;

export interface ToolCommand {
  readonly name: string;
  /** Declares description, arguments and options; the action calls `choose`. Faults of the user are `command.error(...)`. */
  readonly declare: (command: Command, choose: (run: ToolRun) => void) => void;
}

/** Runs a tool on this process's own terminal. */
export async function runTool(run: ToolRun): Promise<number> {
  const { stdout, stderr, env } = process;
  const isInteractive = stdout.isTTY === true;
  try {
    return await run({
      print: (text) => stdout.write(text.endsWith('\n') ? text : `${text}\n`),
      tell: (text) => stderr.write(text.endsWith('\n') ? text : `${text}\n`),
      isInteractive,
      hasColor: isInteractive && !env['NO_COLOR'],
      columns: stdout.columns ?? 120,
    });
  } catch (error) {
    stderr.write(`octet: ${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  }
}
