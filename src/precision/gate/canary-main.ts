// The canary's process: one request, one outcome, then it ends.
// Why a process: the kernels end theirs on a failed assertion, and what they allocated is given back before the engine plans.

import { loadLibraries } from '../../llama/libraries.ts';
import type { CanaryOutcome } from '../../precision-status.ts';
import type { CanaryMessage, CanaryRequest } from './canary-request.ts';
import { measureCanary } from './measure-canary.ts';

const startedMs = performance.now();

function post(message: CanaryMessage): void {
  if (process.connected) process.send?.(message);
}

async function run(request: CanaryRequest): Promise<CanaryOutcome> {
  try {
    return await measureCanary(request, {
      libraries: loadLibraries({ gpu: request.gpu, log: () => undefined }),
      elapsedSeconds: () => (performance.now() - startedMs) / 1000,
      onProgress: (fraction) => post({ kind: 'progress', fraction }),
    });
  } catch (error) {
    return { kind: 'failed', reason: error instanceof Error ? error.message : String(error) };
  }
}

process.on('message', (request: CanaryRequest) => {
  void run(request).then((outcome) => post({ kind: 'outcome', outcome }));
});
process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));
if (!process.connected) process.exit(0);
// A terminal's Ctrl-C reaches the whole group; the parent decides when this process ends.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => undefined);
