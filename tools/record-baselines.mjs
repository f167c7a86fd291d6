// Records what the guard holds changes against: allocations, messages, writes and plan-step operations (test/guard).
// Look at the difference before you commit it: each number that grew is a cost for every token or every step.
// Why other arguments are refused: what was recorded is lost, and who asks for help or misspells a wish does not mean that.

import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const usage = `usage: node tools/record-baselines.mjs
Records test/guard/baselines.json anew: counts, and bytes of this version of Node. Takes no arguments but --help.`;

const root = fileURLToPath(new URL('../', import.meta.url));
const file = new URL('../test/guard/baselines.json', import.meta.url);

main(process.argv.slice(2));

function main(given) {
  const unknown = given.filter((argument) => argument !== '--help');
  if (unknown.length > 0) {
    console.error(`${usage}\nGiven: ${unknown.join(' ')}`);
    process.exitCode = 2;
  } else if (given.length > 0) console.log(usage);
  else record();
}

function record() {
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
}
