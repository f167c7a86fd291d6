// Where the programs of this folder's threads are: beside this file, or, when this file runs from its source, in the build's folder.

import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** Throws where the program was not built. */
export function threadProgram(name: 'thread' | 'lower'): URL {
  const built = import.meta.url.endsWith('.ts')
    ? new URL(`../../../dist/src/grammar/threads/${name}.js`, import.meta.url)
    : new URL(`./${name}.js`, import.meta.url);
  if (!existsSync(fileURLToPath(built))) throw new Error(`${fileURLToPath(built)} is not there: run npm run build`);
  return built;
}
