// Records what the guard holds changes against: allocations, messages, writes and plan-step operations (test/guard).
// Look at the difference before you commit it: each number that grew is a cost for every token or every step.

import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../', import.meta.url));
const file = new URL('../test/guard/baselines.json', import.meta.url);

// What no test asks for any more must not stay; bytes of other versions of Node are theirs.
const node = `node${process.versions.node.split('.')[0]}`;
const { counts: _counts, [node]: _bytes, ...others } = JSON.parse(readFileSync(file, 'utf8'));
writeFileSync(file, `${JSON.stringify(others, null, 2)}\n`);

const { status } = spawnSync('npx', ['vitest', 'run', '--project', 'guard'], {
  cwd: root,
  env: { ...process.env, OCTET_GUARD: 'record' },
  stdio: 'inherit',
});
process.exitCode = status ?? 1;
