// What waits while a stream's reader is behind: merged, in order, each once.

import { expect, it } from 'vitest';
import type { StreamWriter } from '../../src/routes/answer-format.ts';
import { createPendingChoices } from '../../src/routes/pending-choices.ts';
import type { Reporter } from '../../src/routes/reporter.ts';

const writer: StreamWriter = {
  opening: (_, { promptTokenCount, cachedTokenCount }) => `open ${promptTokenCount} ${cachedTokenCount};`,
  text: (_, text) => `text ${text};`,
  scored: (_, text) => `scored ${text};`,
  piece: (_, piece) => `${piece.kind} ${'text' in piece ? piece.text : ''};`,
  finishing: (_, { reason }) => `finish ${reason};`,
  ending: () => 'end',
  failing: () => 'fail',
  ping: 'ping',
};
const reporter: Reporter = {
  output: (_, text) => ({ text, logprobs: null }),
  echo: () => undefined,
  whole: (_, text) => ({ text, logprobs: () => null }),
  prompt: () => undefined,
  takePromptScores: () => undefined,
  isReady: () => true,
};
const open = () =>
  createPendingChoices(
    { prompts: [{ tokens: new Int32Array(7), outputTokensMax: 9 }], choiceCount: 1 },
    { writer, reporter },
  );

it('neighbours of one kind are one event, what ends a call stays between', () => {
  const pending = open();
  pending.addStart(0, { promptTokenCount: 7, cachedTokenCount: 4 });
  for (const text of ['a', 'b']) pending.addText(0, text, []);
  for (const text of ['c', 'd']) pending.addPiece(0, { kind: 'reasoning', text });
  pending.addPiece(0, { kind: 'call-started', callIndex: 0, id: 'i', name: 'f' });
  for (const text of ['{', '}']) pending.addPiece(0, { kind: 'call-arguments', callIndex: 0, text });
  pending.addPiece(0, { kind: 'call-finished', callIndex: 0 });
  pending.addText(0, 'e', []);
  pending.addFinish(0, { reason: 'stop', stopReason: undefined });
  const events = 'open 7 4;text ab;reasoning cd;call-started ;call-arguments {};call-finished ;text e;finish stop;';
  expect([pending.takeAll(), pending.takeAll()]).toEqual([events, '']);
});

it('a call that breaks is told of only where its start was, and its text joins the text around it', () => {
  const pending = open();
  pending.addText(0, 'a', []);
  pending.addPiece(0, { kind: 'call-broken', text: 'b', wasStarted: false });
  pending.addText(0, 'c', []);
  expect(pending.take(0)).toBe('open 7 0;text abc;');
  pending.addPiece(0, { kind: 'call-started', callIndex: 0, id: 'i', name: 'f' });
  pending.addPiece(0, { kind: 'call-broken', text: 'd', wasStarted: true });
  pending.addText(0, 'e', []);
  expect(pending.take(0)).toBe('call-started ;call-broken d;text de;');
});
