// Runs code that a model wrote in a process of its own that may do nothing: no network, no files but an empty scratch
// folder, no child processes, no threads, little memory, little time, no environment.
// How, from outside to inside: a fresh process with an empty environment, killed after `msMax`; Node's permission model, which
// refuses files, child processes, workers, addons and WASI in the runtime itself; a heap limit; and before any of the code
// runs, the program (sandbox-child) removes what the permission model does not cover: the network, inspector and signals.
// What this is not: a boundary against exploits of V8. It holds against what a language model writes, also on purpose; run
// code of strangers in a container.

import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { childProgram } from './sandbox-child.ts';

export type SandboxOutcome =
  | { readonly kind: 'passed'; readonly output: string }
  /** It threw, an assertion failed, or it ended itself. */
  | { readonly kind: 'failed'; readonly output: string }
  | { readonly kind: 'timed-out' }
  | { readonly kind: 'out-of-memory' };

export interface SandboxOptions {
  /** Wall-clock time from start to end. */
  readonly msMax?: number;
  readonly heapMebibytesMax?: number;
}

const outputBytesMax = 16 * 1024;
/** V8 aborts when the heap limit is reached; on Linux and macOS that is SIGABRT, on Windows an exit code. */
const abortCode = 134;

/** Runs JavaScript source; it passes when it ends by itself, throws nothing and no `console.assert` failed. */
export async function runSandboxed(source: string, options: SandboxOptions = {}): Promise<SandboxOutcome> {
  const { msMax = 5_000, heapMebibytesMax = 128 } = options;
  const scratch = await realpath(await mkdtemp(join(tmpdir(), 'octet-sandbox-')));
  try {
    return await runIn(scratch, source, { msMax, heapMebibytesMax });
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** The permission model, open for one folder; it lost its "experimental" name in Node 22.13 and 23.5. */
export function permissionFlags(scratch: string): string[] {
  const known = process.allowedNodeEnvironmentFlags;
  return [
    known.has('--permission') ? '--permission' : '--experimental-permission',
    `--allow-fs-read=${scratch}`,
    `--allow-fs-write=${scratch}`,
  ];
}

/** Windows starts no process without knowing where it is installed. */
function emptyEnvironment(): Record<string, string> {
  const root = process.env['SystemRoot'];
  return process.platform === 'win32' && root !== undefined ? { SystemRoot: root } : {};
}

function runIn(scratch: string, source: string, limits: Required<SandboxOptions>): Promise<SandboxOutcome> {
  const marker = randomUUID();
  return new Promise((resolve, reject) => {
    const child = spawn(
      process.execPath,
      [
        ...permissionFlags(scratch),
        `--max-old-space-size=${limits.heapMebibytesMax}`,
        '--max-semi-space-size=8',
        '--stack-size=900',
        '--disable-proto=throw',
        '--no-warnings',
        '--no-addons',
        // Of the outer context: an object that leaked from it cannot make functions there.
        '--disallow-code-generation-from-strings',
        '--input-type=commonjs',
        '--eval',
        childProgram,
      ],
      { cwd: scratch, env: emptyEnvironment(), stdio: ['pipe', 'pipe', 'ignore'], windowsHide: true, shell: false },
    );
    let output = '';
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      child.kill('SIGKILL');
    }, limits.msMax);
    child.stdout.on('data', (piece: Buffer) => {
      if (output.length < outputBytesMax) output += piece.toString('latin1');
      else child.kill('SIGKILL');
    });
    // A child that dies early closes the pipe; its end tells why.
    child.stdin.on('error', () => undefined);
    child.stdin.end(JSON.stringify({ source, marker }));
    child.on('error', (error) => {
      clearTimeout(timer);
      reject(new Error(`cannot start the sandbox process: ${error.message}`));
    });
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      if (isLate) resolve({ kind: 'timed-out' });
      else if (signal === 'SIGABRT' || code === abortCode) resolve({ kind: 'out-of-memory' });
      // The marker is unknown to the code, so that `process.exit(0)` in its middle does not pass for its end.
      else if (code === 0 && output.endsWith(marker))
        resolve({ kind: 'passed', output: output.slice(0, -marker.length) });
      else resolve({ kind: 'failed', output });
    });
  });
}
