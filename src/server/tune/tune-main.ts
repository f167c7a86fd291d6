// The tuning process: one request, one outcome, then it ends.
// Why a process: as the engine's, it has one thread for native calls and stands back for others, so that what is timed is what
// serves; and the kernels end theirs on a failed assertion.

import { setPriority } from 'node:os';
import { assertNever } from '../../assert.ts';
import { loadLibraries } from '../../llama/libraries.ts';
import { deviceOf } from './device.ts';
import { runTuning } from './run-tuning.ts';
import type { TuneMessage, TuneOutcome, TuneRequest } from './tune-request.ts';

function post(message: TuneMessage): void {
  if (process.connected) process.send?.(message);
}

async function run(request: TuneRequest): Promise<TuneOutcome> {
  switch (request.kind) {
    case 'device':
      return { kind: 'device', device: deviceOf(loadLibraries({ gpu: request.gpu, log: () => undefined })) };
    case 'tune':
      standBack(request.configuration.nice);
      return runTuning(request, (label, seconds) => post({ kind: 'progress', label, seconds }));
    default:
      return assertNever(request);
  }
}

/** A machine that does not allow it is tuned as it is. */
function standBack(nice: number): void {
  try {
    if (nice > 0) setPriority(nice);
  } catch {
    // The engine warns of it.
  }
}

process.on('message', (request: TuneRequest) => {
  run(request).then(post, (error: unknown) => {
    post({ kind: 'failed', reason: error instanceof Error ? error.message : String(error) });
  });
});
process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));
if (!process.connected) process.exit(0);
// A terminal's Ctrl-C reaches the whole group; the parent decides when this process ends.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => undefined);
