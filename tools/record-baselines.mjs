// Records what the guard holds changes against: allocations, messages, writes and plan-step operations (test/guard).
// Look at the difference before you commit it: each number that grew is a cost for every token or every step.

import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../', import.meta.url));
const { status } = spawnSync('npx', ['vitest', 'run', '--project', 'guard', '--no-file-parallelism'], {
  cwd: root,
  env: { ...process.env, OCTET_GUARD: 'record' },
  stdio: 'inherit',
});
process.exitCode = status ?? 1;
