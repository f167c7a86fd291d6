// How a benchmark command begins: its flags are read, or it ends with its help or with what is wrong with them.

import type { z } from 'zod';
import { describeFlags, parseFlags } from './flags.ts';

type FlagsOf<Shape extends z.ZodRawShape> = z.output<z.ZodObject<Shape>>;

export interface CommandShape<Shape extends z.ZodRawShape> {
  /** The help's first line: what the command does, or how it is called. */
  readonly title: string;
  readonly flags: Shape;
  /** What is wrong with flags that are right one by one. */
  readonly findFaults?: (flags: FlagsOf<Shape>) => readonly string[];
}

export type CommandStart<Flags> =
  | { readonly kind: 'flags'; readonly flags: Flags }
  | { readonly kind: 'ended'; readonly status: number };

/** Reads `argv`; prints the help, or every fault, where the command ends with that. */
export function startCommand<Shape extends z.ZodRawShape>(
  { title, flags: shape, findFaults }: CommandShape<Shape>,
  argv: readonly string[],
): CommandStart<FlagsOf<Shape>> {
  const parsed = parseFlags(shape, argv);
  if (parsed.kind === 'help') {
    console.log(`${title}\n\n${describeFlags(shape)}`);
    return { kind: 'ended', status: 0 };
  }
  const faults = parsed.kind === 'faults' ? parsed.faults : (findFaults?.(parsed.flags) ?? []);
  if (parsed.kind === 'flags' && faults.length === 0) return parsed;
  console.error(faults.join('\n'));
  return { kind: 'ended', status: 2 };
}
