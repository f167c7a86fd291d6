// Copies come one after another, and whoever closes the queue can wait for the last.

import { expect, test } from 'vitest';
import { createCopyQueue } from '../../../src/llama/beside/copy-queue.ts';

test('copies run one at a time in their order, also behind one that failed', async () => {
  const queue = createCopyQueue();
  const seen: string[] = [];
  const copy = (name: string) => async () => {
    seen.push(`${name} starts`);
    await new Promise((resolve) => setImmediate(resolve));
    seen.push(`${name} ends`);
    if (name === 'second') throw new Error('no such copy');
    return name;
  };
  const [first, second, third] = ['first', 'second', 'third'].map((name) => queue.add(copy(name)));
  await expect(second).rejects.toThrow('no such copy');
  expect([await first, await third]).toEqual(['first', 'third']);
  const ran = ['first', 'second', 'third'].flatMap((name) => [`${name} starts`, `${name} ends`]);
  expect(seen).toEqual(ran);
});

test('closing answers when all has ended, or that nothing is under way', async () => {
  const queue = createCopyQueue();
  let ended = 0;
  const copy = async () => {
    await new Promise((resolve) => setImmediate(resolve));
    ended += 1;
  };
  void queue.add(copy);
  void queue.add(copy);
  expect(queue.isClosed()).toBe(false);
  const underWay = queue.close();
  expect([queue.isClosed(), ended]).toEqual([true, 0]);
  await underWay;
  expect(ended).toBe(2);
  expect(queue.close()).toBeUndefined();
});
