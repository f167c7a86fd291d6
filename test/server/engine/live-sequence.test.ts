// What a new engine is told of a sequence that lost its engine: nothing twice, nothing left out.

import { expect, test } from 'vitest';
import { must } from '../../../src/assert.ts';
import { tokenId } from '../../../src/ids.ts';
import { createLiveSequence, resumeCommand } from '../../../src/server/engine/live-sequence.ts';
import { generateCommand } from '../../scheduler/driver.ts';

const wish = { outputTopCount: 2, promptTopCount: 5, promptScoredCount: 0 };
const command = generateCommand({ ids: [1, 2], tokens: [7, 8, 9, 10], outputTokensMax: 9, logprobs: wish });
const origin = { nowMs: 0, onEvent: () => undefined };

test('its output goes on, and its prompt is scored from where its client has it', () => {
  const live = createLiveSequence(command, 0, origin);
  live.promptScoredCount = 2;
  live.generated.push(tokenId(11));
  const resumed = resumeCommand(live, 0);
  expect([...resumed.tokens]).toEqual([7, 8, 9, 10, 11]);
  expect(resumed).toMatchObject({ generatedCount: 1, logprobs: { ...wish, promptScoredCount: 2 } });
  expect(resumed.choices).toEqual([must(command.choices[0], 'a first choice')]);
});

test('the prompt of several answers is scored for the first alone', () => {
  const resumed = resumeCommand(createLiveSequence(command, 1, origin), 0);
  expect(resumed.logprobs).toEqual({ ...wish, promptTopCount: undefined });
});

test('who asked for no log-probabilities is asked for none', () => {
  const plain = generateCommand({ ids: [1], tokens: [7], outputTokensMax: 9 });
  expect(resumeCommand(createLiveSequence(plain, 0, origin), 0).logprobs).toBeUndefined();
});
