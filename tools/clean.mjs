// Removes a build folder, on every platform alike: node tools/clean.mjs dist
import { rmSync } from 'node:fs';

for (const path of process.argv.slice(2)) rmSync(path, { recursive: true, force: true });
