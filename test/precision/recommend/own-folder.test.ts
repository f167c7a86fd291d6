// A search's own folder goes with the process, whatever is being written into it at that moment.

import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { makeOwnFolder } from '../../../src/precision/recommend/own-folder.ts';

test('it is removed at once at the exit of the process, and by hand only once', async () => {
  const parent = mkdtempSync(join(tmpdir(), 'octet-own-folder-'));
  const before = process.listeners('exit');
  const folder = makeOwnFolder(parent, 'parts-');
  const [atExit] = process.listeners('exit').filter((listener) => !before.includes(listener));
  if (atExit === undefined) throw new Error('the folder waits for the exit');
  const writes = Array.from({ length: 200 }, (_, index) => writeFile(join(folder.path, `${index}`), 'x'));
  atExit.call(process, 0);
  expect(existsSync(folder.path)).toBe(false);
  await Promise.allSettled(writes);
  expect(existsSync(folder.path)).toBe(false);
  await folder.remove();
  expect(process.listeners('exit')).toEqual(before);
  rmSync(parent, { recursive: true });
});
