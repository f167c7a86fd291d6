// What can be wrong with settings, as data, and how it is said.
// Why data: all faults are collected and shown at once, and tests look at fields rather than at wording.

import { assertNever } from '../assert.ts';

export type SettingFault =
  | {
      readonly kind: 'invalid';
      readonly name: string;
      readonly limit: string;
      /** As given, in JSON; undefined for secrets. */
      readonly given: string | undefined;
      readonly source: string;
    }
  | {
      readonly kind: 'unknown';
      readonly name: string;
      readonly suggestion: string | undefined;
      readonly source: string;
    }
  | { readonly kind: 'unreadable'; readonly path: string; readonly reason: string; readonly source: string }
  | { readonly kind: 'conflict'; readonly names: readonly string[]; readonly reason: string }
  | { readonly kind: 'usage'; readonly reason: string };

/** One line: name, limit, given value and where it came from. */
export function describeFault(fault: SettingFault): string {
  switch (fault.kind) {
    case 'invalid': {
      const given = fault.given === undefined ? 'a value that is not shown' : shorten(fault.given);
      return `${fault.name} must be ${fault.limit}. Given: ${given} (${fault.source})`;
    }
    case 'unknown': {
      const hint = fault.suggestion === undefined ? '' : ` Did you mean ${fault.suggestion}?`;
      return `${shorten(fault.name)} is not a setting (${fault.source}).${hint}`;
    }
    case 'unreadable':
      return `${shorten(fault.path)} cannot be read: ${fault.reason} (${fault.source})`;
    case 'conflict':
      return `${fault.names.join(' and ')} exclude each other: ${fault.reason}`;
    case 'usage':
      return fault.reason;
    default:
      return assertNever(fault);
  }
}

/** All of them, for the terminal. `command`: another one than serve, when it is that whose options are wrong. */
export function describeFaults(faults: readonly SettingFault[], command?: string): string {
  const lines = faults.map((fault) => `  ${describeFault(fault)}`);
  const count = faults.length === 1 ? 'One fault' : `${faults.length} faults`;
  if (command !== undefined)
    return [`${count} in the command line:`, ...lines, `octet ${command} --help lists its options.`].join('\n');
  return [`${count} in the command line or settings:`, ...lines, 'octet serve --help lists every setting.'].join('\n');
}

function shorten(text: string): string {
  return text.length <= 100 ? text : `${text.slice(0, 99)}…`;
}
