// What a measurement was taken on: processor, memory, load, versions, commit. A figure without these cannot be compared.
// Why the load average is taken before: another program on the same cores is the commonest reason for a wrong result.

import { execFileSync } from 'node:child_process';
import os from 'node:os';

/** The machine and versions, as kept in every results file. */
export function describeMachine() {
  const cpus = os.cpus();
  return {
    cpuModel: cpus[0]?.model ?? 'unknown',
    cpuCount: cpus.length,
    memoryBytes: os.totalmem(),
    os: `${os.type()} ${os.release()} ${os.arch()}`,
    node: process.version,
    loadAverageBefore: os.loadavg(),
  };
}

/** The repository's commit, marked when files differ from it; "unknown" outside a repository. */
export function describeCommit(): string {
  try {
    const commit = runGit('rev-parse', 'HEAD');
    return runGit('status', '--porcelain', '--untracked-files=no') === '' ? commit : `${commit} with changes`;
  } catch {
    return 'unknown';
  }
}

function runGit(...args: readonly string[]): string {
  return execFileSync('git', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
}
