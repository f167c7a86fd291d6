// The quantizing process's entry: one request, then it ends.
// Why a process: llama.cpp cannot be stopped in the middle, and ends the whole process on a failed assertion; here it may.

import { loadHostLibraries } from '../llama/tensor-conversions.ts';
import { quantizeHere } from './quantize-here.ts';
import type { QuantizeRequest, QuantizerMessage } from './quantize-request.ts';

function post(message: QuantizerMessage): void {
  if (process.connected) process.send?.(message);
}

async function run(request: QuantizeRequest): Promise<void> {
  const libraries = loadHostLibraries(() => undefined);
  await quantizeHere(libraries, request, {
    onScaled: (fraction) => post({ kind: 'scaled', fraction }),
    onTensor: (name) => post({ kind: 'tensor', name }),
  });
}

process.on('message', (request: QuantizeRequest) => {
  run(request).then(
    () => post({ kind: 'done' }),
    (error: unknown) => post({ kind: 'failed', message: error instanceof Error ? error.message : String(error) }),
  );
});
process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));
if (!process.connected) process.exit(0);
// A terminal's Ctrl-C reaches the whole group; the parent decides when this process ends.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => undefined);
