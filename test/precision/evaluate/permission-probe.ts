// What Node's permission model refuses by itself, with the flags that the sandbox uses.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { permissionFlags } from '../../../src/precision/evaluate/sandbox/run-sandboxed.ts';

const program = `
const codeOf = (attempt) => { try { attempt(); return 'allowed'; } catch (error) { return error.code; } };
process.stdout.write(JSON.stringify({
  read: codeOf(() => require('fs').readFileSync(${JSON.stringify(fileURLToPath(import.meta.url))})),
  spawn: codeOf(() => require('child_process').execFileSync(process.execPath, ['-v'])),
  worker: codeOf(() => new (require('worker_threads').Worker)('1', { eval: true })),
}));`;

/** Error codes of attempts to read a file outside, to start a process and to start a thread. */
export function permissionProbe() {
  const scratch = mkdtempSync(join(tmpdir(), 'octet-permission-'));
  const output = execFileSync(process.execPath, [...permissionFlags(scratch), '--no-warnings', '--eval', program], {
    env: {},
    encoding: 'utf8',
  });
  rmSync(scratch, { recursive: true });
  return z.object({ read: z.string(), spawn: z.string(), worker: z.string() }).parse(JSON.parse(output));
}
