import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { fileLimitWarning, openFilesMax } from '../../src/server/file-limit.ts';

function limitsFile(soft: string): string {
  const file = path.join(mkdtempSync(path.join(tmpdir(), 'octet-limits-')), 'limits');
  const line = `Max open files            ${soft.padEnd(20)} 1048576              files`;
  writeFileSync(file, `Limit                     Soft Limit           Hard Limit           Units\n${line}\n`);
  return file;
}

describe('the limit on open files', () => {
  it('is read as the system writes it, and unknown where it writes none', () => {
    expect(openFilesMax(limitsFile('1024'))).toBe(1024);
    expect(openFilesMax(limitsFile('unlimited'))).toBe(Number.POSITIVE_INFINITY);
    expect(openFilesMax('/no/such/file')).toBeUndefined();
  });

  it('is told of where fewer connections fit than the settings let wait', () => {
    const settings = { queueRequestsMax: 5000, sequencesMax: 32 };
    expect(fileLimitWarning(settings, 1024)).toMatch(/may open 1024 files, but 5096 .* 5000 waiting .* 32 running/);
    expect(fileLimitWarning(settings, 5095)).toBeDefined();
    expect(fileLimitWarning(settings, 5096)).toBeUndefined();
    expect(fileLimitWarning(settings, undefined)).toBeUndefined();
    expect(fileLimitWarning(settings, Number.POSITIVE_INFINITY)).toBeUndefined();
  });
});
