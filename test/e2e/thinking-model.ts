// The embedded model with a template that begins the answer inside the reasoning.
// Why rewritten in place: a text of the same length moves nothing else of the file.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, onTestFinished } from 'vitest';
import { demoModel } from './server.ts';

/** Writes it for the running test; never trained to think, it would rather say nothing. */
export function writeThinkingModel(): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'octet-thinking-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const bytes = readFileSync(demoModel);
  const from = "{%- if add_generation_prompt %}\n    {{- '<|im_start|>assistant\\n' }}\n{%- endif %}";
  const at = bytes.indexOf(from);
  expect(at).toBeGreaterThan(0);
  const [head, tail] = ['{%- if add_generation_prompt', "%}{{'<|im_start|>assistant\\n<think>'}}{%endif%}"];
  bytes.write(head.padEnd(from.length - tail.length) + tail, at);
  const file = path.join(folder, 'thinking.gguf');
  writeFileSync(file, bytes);
  return file;
}
