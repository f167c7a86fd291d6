// A repeatable flag without a value before one with a value: commander hands the first one down as `true`, and gathering the second
// threw "before is not iterable" instead of telling the fault.

import { expect, test } from 'vitest';
import { loadSettings } from '../../src/server/settings.ts';

test.each([[['--lora', '--lora', '']], [['--lora', '--lora', 'a=b.gguf']], [['--lora', 'a=b.gguf', '--lora']]])(
  '%j is told as a flag without a value',
  (flags) => {
    const loaded = loadSettings({ argv: ['serve', ...flags], env: {} });
    expect(loaded.kind).toBe('faults');
    expect(JSON.stringify(loaded)).toContain('no value');
  },
);
