// Who asks for which steps to be recorded. That the variable is found is to be seen on a machine with CUDA alone.

import { expect, test } from 'vitest';
import { cacheSeqId } from '../../src/ids.ts';
import { openCudaGraphs, withRecording } from '../../src/llama/cuda-graphs.ts';
import { createFakeKernel } from '../fakes/kernel.ts';

function watched(records: 'steady' | 'all') {
  const asked: string[] = [];
  const kernel = createFakeKernel({ cellCount: 64, cacheSeqCount: 2, vocabularySize: 10 });
  const wrapped = withRecording(kernel, { setRecording: (state) => asked.push(state) }, records);
  const step = async (position: number) => {
    wrapped.batch.tokens[0] = 1;
    wrapped.batch.cacheSeqs[0] = 0;
    wrapped.batch.positions[0] = position;
    wrapped.batch.outputs[0] = 1;
    expect(await wrapped.decode(1)).toEqual({ kind: 'done' });
  };
  return { asked, step, dispose: wrapped.dispose, positions: () => wrapped.positions(cacheSeqId(0)) };
}

test('steps are recorded once they are steady, and computed in any case', async () => {
  const { asked, step, positions } = watched('steady');
  for (let position = 0; position < 14; position++) await step(position);
  expect(asked).toEqual([...new Array(12).fill('off'), 'on', 'on']);
  expect(positions()).toEqual({ min: 0, max: 13 });
});

test('a kernel that records all says so before each step, for another may have switched it off', async () => {
  const { asked, step } = watched('all');
  for (let position = 0; position < 3; position++) await step(position);
  expect(asked).toEqual(['on', 'on', 'on']);
});

test('a kernel that is gone leaves recording to the others', async () => {
  const { asked, step, dispose } = watched('steady');
  await step(0);
  dispose();
  expect(asked).toEqual(['off', 'on']);
});

test('without the CUDA library there is nothing to switch', () => {
  expect(openCudaGraphs()).toBeUndefined();
});
