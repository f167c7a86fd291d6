// Written forms of the flags that several commands have, and their faults in words.

import { z } from 'zod';

/** `a, b,c`; empty entries do not count. */
export const commaList = z.string().transform((text) =>
  text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== ''),
);

/** An integer with bounds. */
export const wholeNumber = (min: number, max: number) =>
  z.string().transform((text, context) => {
    const value = Number(text);
    if (/^-?\d+$/.test(text.trim()) && value >= min && value <= max) return value;
    context.addIssue({ code: 'custom', message: `must be an integer from ${min} to ${max}. Given: ${text}` });
    return z.NEVER;
  });

export const oneOf = <const Name extends string>(names: readonly Name[]) =>
  z.enum(names, { error: ({ input }) => `must be one of ${names.join(', ')}. Given: ${String(input)}` });

/** Every fault in one line, each with its flag: `topK` is written --top-k. */
export function flagFaults({ issues }: z.ZodError): string {
  return issues.map(({ path, message }) => `--${flagName(String(path[0] ?? ''))} ${message}`).join('; ');
}

function flagName(setting: string): string {
  return setting.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
