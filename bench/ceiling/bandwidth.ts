// How fast this machine moves memory, measured by copying: what bounds a decode step from below.
// Why both directions count: a copy reads and writes, so a buffer of N bytes copied is 2 N bytes moved. Reading weights is
// reading alone, which can be somewhat faster than a copy; the bound is the usual one, not a physical law.

import { Worker } from 'node:worker_threads';
import { timeDeviceCopies } from '../../src/llama/device-copies.ts';
import type { Libraries } from '../../src/llama/libraries.ts';

const copyBytes = 1 << 28;
const repeats = 9;

/** Bytes a second, read and written together; on the GPU if the model is there, else by `threads` threads of the host. */
export async function measureBandwidth(libraries: Libraries, threads: number): Promise<number> {
  const times =
    libraries.gpu === 'off' ? await timeHostCopies(threads) : timeDeviceCopies(libraries, { copyBytes, repeats });
  return (2 * copyBytes) / (Math.min(...times) / 1000);
}

/** Milliseconds of each copy: every thread copies its share of the buffer, started together. */
async function timeHostCopies(threads: number): Promise<number[]> {
  const share = Math.floor(copyBytes / threads);
  const workers = Array.from({ length: threads }, () => new Worker(copyProgram, { eval: true, workerData: share }));
  const ask = (): Promise<unknown> =>
    Promise.all(
      workers.map((worker) => {
        const answered = new Promise((resolve) => worker.once('message', resolve));
        worker.postMessage('copy');
        return answered;
      }),
    );
  await ask();
  const times: number[] = [];
  for (let repeat = 0; repeat < repeats; repeat++) {
    const started = performance.now();
    await ask();
    times.push(performance.now() - started);
  }
  await Promise.all(workers.map((worker) => worker.terminate()));
  return times;
}

const copyProgram = `
  const { parentPort, workerData } = require('node:worker_threads');
  const from = new Uint8Array(workerData).fill(1);
  const to = new Uint8Array(workerData);
  parentPort.on('message', () => { to.set(from); parentPort.postMessage('copied'); });
`;
