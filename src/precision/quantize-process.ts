// Quantizes in a process of its own, which can be ended at any time.
// Why `disconnect` ends the child: nobody is left who would rename its file.

import { type ChildProcess, fork } from 'node:child_process';
import { existsSync } from 'node:fs';
import { keepOutput, programFile, untilAnswered } from './child-program.ts';
import { type QuantizeProgress, type Quantizer, quantizerMessage } from './quantize-request.ts';

const program = programFile('src/precision/quantize-main.js');
const outputKeptChars = 2000;

/** Writes `request.target`; ends when `signal` aborts, and throws its reason then. The unfinished file is the caller's. */
export const quantizeInProcess: Quantizer = async (request, { signal, ...progress }) => {
  signal?.throwIfAborted();
  const child = fork(program, [], { serialization: 'advanced', stdio: ['ignore', 'pipe', 'pipe', 'ipc'] });
  const outcome = awaitOutcome(child, progress);
  child.send(request);
  await untilAnswered(child, outcome, signal);
};

/** Whether the process can be started: sources that were not built have no program for it. */
export function hasQuantizerProgram(): boolean {
  return existsSync(program);
}

function awaitOutcome(child: ChildProcess, { onScaled, onTensor }: QuantizeProgress): Promise<void> {
  const output = keepOutput(child, outputKeptChars);
  return new Promise((resolve, reject) => {
    let isDone = false;
    let failure: Error | undefined;
    child.on('message', (message) => {
      const news = quantizerMessage.parse(message);
      if (news.kind === 'scaled') onScaled(news.fraction);
      else if (news.kind === 'tensor') onTensor(news.name);
      else {
        isDone = news.kind === 'done';
        if (news.kind === 'failed') failure = new Error(news.message);
        child.kill('SIGKILL');
      }
    });
    child.once('error', reject);
    child.once('close', (code, signal) => {
      if (isDone) resolve();
      else
        reject(
          failure ??
            new Error(`the quantizing process ended with ${signal ?? `exit code ${code}`}${because(output())}`),
        );
    });
  });
}

function because(output: string): string {
  return output === '' ? '' : `: ${output}`;
}
