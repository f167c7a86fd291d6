// Keeps raw results: one JSON file per measurement, with the command, the machine and the versions that made it.
// Why keys and folders are taken out: result files are committed and read by strangers.

import fs from 'node:fs';
import path from 'node:path';
import { describeCommit, describeMachine } from './machine.ts';

export interface ResultsPlace {
  readonly name: string;
  readonly resultsDirectory: string;
}

/** What every results file begins with; call it before the load starts, for it reads the machine's load average. */
export function describeCircumstances(argv: readonly string[]) {
  return {
    date: new Date().toISOString(),
    command: `npm run bench -- ${cleanArguments(argv).join(' ')}`,
    commit: describeCommit(),
    machine: describeMachine(),
  };
}

/** Writes `<directory>/<date>-<name>.json` and returns its path; an existing file is never overwritten. */
export function writeResults(place: ResultsPlace, content: Readonly<Record<string, unknown>>): string {
  fs.mkdirSync(place.resultsDirectory, { recursive: true });
  const stem = path.join(place.resultsDirectory, `${new Date().toISOString().slice(0, 10)}-${place.name}`);
  const text = `${JSON.stringify(content, roundNumbers, 1)}\n`;
  for (let copy = 1; ; copy++) {
    const file = copy === 1 ? `${stem}.json` : `${stem}-${copy}.json`;
    try {
      fs.writeFileSync(file, text, { flag: 'wx' });
      return file;
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
    }
  }
}

/** The arguments without secrets, and with only the file's name of an absolute path. */
export function cleanArguments(argv: readonly string[]): string[] {
  return argv.map((argument, index) => {
    const [flag = '', value] = argument.split('=', 2);
    if (isKeyFlag(flag) && value !== undefined) return `${flag}=***`;
    if (isKeyFlag(argv[index - 1] ?? '')) return '***';
    if (value !== undefined && isFilePath(value)) return `${flag}=${path.basename(value)}`;
    return isFilePath(argument) ? path.basename(argument) : argument;
  });
}

/** A list of URL paths such as `/health,/metrics` is none. */
function isFilePath(text: string): boolean {
  return path.isAbsolute(text) && !text.includes(',');
}

function isKeyFlag(flag: string): boolean {
  return flag === '--key' || flag === '--peer-key';
}

/** Three decimals are a microsecond of a millisecond figure: more would only make the file longer. */
function roundNumbers(_: string, value: unknown): unknown {
  return typeof value === 'number' && !Number.isInteger(value) ? Math.round(value * 1000) / 1000 : value;
}
