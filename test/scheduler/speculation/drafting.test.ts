// A draft model beside the target: as fast as its guesses allow, hardly slower where they are of no use, and nothing left behind.

import { describe, expect, it } from 'vitest';
import { cacheSeqId, sequenceId } from '../../../src/ids.ts';
import type { SampleRow } from '../../../src/kernel-port.ts';
import { createDrawMemory, drawToken } from '../../../src/llama/sampling/draw.ts';
import { greedySampling } from '../../../src/sampling-params.ts';
import { trueCount } from '../../../src/scheduler/speculation/draft-cells.ts';
import { type CommandWish, expectedAnswer } from '../driver.ts';
import { type DraftRigOptions, runDrafting } from './draft-rig.ts';

const model = { vocabularySize: 50, endTokens: [], contextTokensMax: 1600 };
const cheap = { callMs: 0.5, rowMs: 0.01 };

function commandsFor(count: number, { promptTokens = 12, outputTokensMax = 120 } = {}): CommandWish[] {
  return Array.from({ length: count }, (_, index) => ({
    ids: [index + 1],
    tokens: Array.from({ length: promptTokens }, (_unused, place) => (7 * place + 11 * index) % 50),
    outputTokensMax,
    seed: index,
    ignoreEos: true,
  }));
}

/** The run with a draft model against the run without; texts must be those that each prompt has alone. */
async function compare(options: DraftRigOptions) {
  const plain = await runDrafting({ ...options, draft: undefined });
  const drafted = await runDrafting(options);
  for (const wish of options.commands) {
    const [id = 0] = wish.ids;
    expect(drafted.journal.tokens.get(id)).toEqual(expectedAnswer(wish, 0, model).tokens);
  }
  return { ...drafted, gain: plain.elapsedMs / drafted.elapsedMs };
}

/** Wrong at so many of ten places. */
const wrongAt = (places: number) => (row: SampleRow, token: number) =>
  (row.tokenCount * 7) % 10 < places ? (token + 1) % 50 : token;

describe('what the draft model holds of a sequence', () => {
  const entry = { seq: cacheSeqId(0), round: 1, guessedAt: 3, guesses: [7, 8, 9], heldCount: 5 };
  const held = (...tokens: readonly number[]) =>
    trueCount({ tokens: Int32Array.from(tokens), tokenCount: tokens.length }, entry);

  it('is true as far as the sequence went on with its guesses, and short of the last token', () => {
    expect(held(1, 2, 3)).toBe(2);
    expect(held(1, 2, 3, 7)).toBe(3);
    expect(held(1, 2, 3, 7, 8, 9, 4)).toBe(5);
    // Drawn in steps that took no guesses.
    expect(held(1, 2, 3, 5, 8, 9)).toBe(3);
    expect(held(1, 2, 3, 7, 5, 9, 9)).toBe(4);
  });
});

describe('a draft model', () => {
  it('makes two and a half times as many tokens of it where its guesses come true', async () => {
    const { gain, stats } = await compare({ commands: commandsFor(4, { outputTokensMax: 200 }), draft: cheap });
    expect(gain).toBeGreaterThan(2.5);
    expect(stats.acceptedTokenCount).toBe(stats.draftTokenCount);
    expect(stats.draftsBy).toEqual([
      { proposer: 'draft', draftTokenCount: stats.draftTokenCount, acceptedTokenCount: stats.acceptedTokenCount },
    ]);
    expect(stats.draftMs).toBeGreaterThan(0);
  });

  it('goes on from what was drawn where a guess was wrong', async () => {
    // The fake kernel throws where a row is computed from other tokens than its sequence has.
    const { gain, stats } = await compare({ commands: commandsFor(2), draft: cheap, misguess: wrongAt(2) });
    expect(gain).toBeGreaterThan(1.2);
    expect(stats.draftTokenCount - stats.acceptedTokenCount).toBeGreaterThan(20);
  });

  it('costs next to nothing where its guesses are wrong, where it is dear, and where rows are', async () => {
    const commands = commandsFor(3, { outputTokensMax: 250 });
    for (const useless of [
      { draft: cheap, misguess: wrongAt(10) },
      { draft: cheap, misguess: wrongAt(8) },
      { draft: { callMs: 10, rowMs: 0 } },
      { draft: cheap, rowMs: 10 },
    ]) {
      const { gain } = await compare({ commands, ...useless });
      expect(gain).toBeGreaterThan(0.95);
    }
  });

  it.each([
    { wrong: 3, gainMin: 1.6 },
    { wrong: 5, gainMin: 1.25 },
  ])('is of use where $wrong of ten guesses are wrong and rows are cheap', async ({ wrong, gainMin }) => {
    const commands = commandsFor(1, { outputTokensMax: 800 });
    const misguess = (row: SampleRow, token: number) =>
      (Math.imul(row.tokenCount, 0x9e3779b1) >>> 7) % 10 < wrong ? (token + 1) % 50 : token;
    for (const by of ['draft', 'mtp'] as const) {
      const { gain } = await compare({ commands, draft: cheap, misguess, by });
      expect(gain).toBeGreaterThan(gainMin);
    }
  });

  it('as a head is trusted with as many guesses as come true of it', async () => {
    const misguess = (_row: SampleRow, token: number, place: number) => (place === 0 ? token : (token + 1) % 50);
    const wish = { commands: commandsFor(2, { outputTokensMax: 200 }), draft: cheap, misguess };
    const { gain, stats } = await compare({ ...wish, by: 'mtp' });
    expect(gain).toBeGreaterThan(1.5);
    expect(stats.draftTokenCount).toBeLessThan(1.6 * stats.acceptedTokenCount);
    // Judged together, first guesses would speak for the others.
    const together = await compare({ ...wish, by: 'draft' });
    expect(together.stats.draftTokenCount).toBeGreaterThan(2 * together.stats.acceptedTokenCount);
    expect(gain).toBeGreaterThan(together.gain);
  });

  it('is found out to be of use where few rows do not pay', async () => {
    // Two guesses of each: 30 ms worth of tokens in 10 + 5 + 8 x 0.95 + 2 x 2.5 by what is thought at first, and more may not be tried.
    const commands = commandsFor(4, { promptTokens: 48, outputTokensMax: 200 });
    const { gain } = await compare({ commands, draft: cheap, rowMs: 0.95, costShare: 0.25 });
    expect(gain).toBeGreaterThan(1.3);
  });

  it('is found out to be of use after it was not', async () => {
    const commands = commandsFor(1, { outputTokensMax: 600 });
    const misguess = (row: SampleRow, token: number) => (row.tokenCount < 200 ? (token + 1) % 50 : token);
    const { gain } = await compare({ commands, draft: cheap, misguess });
    expect(gain).toBeGreaterThan(1.3);
  });

  it('is found out to be of use where it was thought to cost half as much as the model', async () => {
    // Reading for a trial costs less than computing rows for one, and must not spend what that needs.
    const commands = commandsFor(1, { promptTokens: 60, outputTokensMax: 900 });
    const quick = { stepMs: 1.7, rowMs: 0.02, draft: { callMs: 0.4, rowMs: 0.002 } };
    const { gain } = await compare({ commands, ...quick, by: 'mtp', costShare: 0.5 });
    expect(gain).toBeGreaterThan(1.8);
  });

  it('is found out to be of use where its first calls took as long as fifty steps', async () => {
    const commands = commandsFor(1, { promptTokens: 100, outputTokensMax: 1200 });
    const quick = { stepMs: 1.7, rowMs: 0.02, draft: { callMs: 0.4, rowMs: 0.002 } };
    const { gain } = await compare({ commands, ...quick, by: 'mtp', costShare: 0.15 });
    const slowFirst = await compare({ commands, ...quick, by: 'mtp', costShare: 0.15, heldUp: { calls: 2, ms: 90 } });
    expect(slowFirst.gain).toBeGreaterThan(0.6 * gain);
  });

  it('is asked again where the only prompt was read so slowly that rows seem dear', async () => {
    const commands = commandsFor(1, { promptTokens: 48, outputTokensMax: 900 });
    const quick = { stepMs: 1.7, rowMs: 0.02, draft: { callMs: 0.4, rowMs: 0.002 } };
    const { gain, stats } = await compare({ commands, ...quick, by: 'mtp', firstStepMs: 200 });
    expect(stats.draftMs).toBeGreaterThan(0);
    expect(gain).toBeGreaterThan(0.98);
  });

  it('reads long prompts in pieces that let streams go on', async () => {
    const commands = commandsFor(2, { promptTokens: 240, outputTokensMax: 150 });
    const { gain, longestDraftMs } = await compare({ commands, draft: { callMs: 0.5, rowMs: 0.2 } });
    expect(gain).toBeGreaterThan(1.2);
    // As long as the step, or one guess for each place of a draft.
    expect(longestDraftMs).toBeLessThan(20);
  });

  it('guesses for as many as its cache has room for, in turn', async () => {
    const commands = commandsFor(6, { outputTokensMax: 60 });
    const few = await compare({ commands, draft: cheap, cacheSeqCount: 2 });
    expect(few.stats.acceptedTokenCount).toBeGreaterThan(20);
    const little = await compare({ commands, draft: cheap, cellCount: 200 });
    expect(little.stats.acceptedTokenCount).toBeGreaterThan(10);
    // Not even one prompt fits.
    expect((await compare({ commands, draft: cheap, cellCount: 10 })).draftCalls).toBe(0);
  });

  it('lets go of a sequence that is cancelled while it guesses', async () => {
    const commands = commandsFor(3, { outputTokensMax: 60 });
    let callsLeft = 9;
    const run = await runDrafting({
      commands,
      draft: cheap,
      onDraft: (loop) => {
        callsLeft -= 1;
        if (callsLeft === 0) loop.accept({ kind: 'cancel', sequenceId: sequenceId(2), reason: 'client-gone' });
      },
    });
    expect(callsLeft).toBeLessThan(0);
    expect(run.journal.ends.has(2)).toBe(false);
    for (const wish of [commands[0], commands[2]]) {
      if (wish === undefined) throw new Error('three commands');
      expect(run.journal.tokens.get(wish.ids[0] ?? 0)).toEqual(expectedAnswer(wish, 0, model).tokens);
    }
  });

  it('leaves the loop at rest when the time of the only sequence is up while it guesses', async () => {
    const [command] = commandsFor(1, { outputTokensMax: 400 });
    if (command === undefined) throw new Error('one command');
    // Some of these limits lie within a round of guesses, some within a step.
    for (let limitMs = 240; limitMs < 270; limitMs += 3) {
      const commands = [{ ...command, timeLimit: { limitMs, setBy: 'timeout', spentMs: 0 } as const }];
      const { draftCalls, restAgeMs } = await runDrafting({ commands, draft: cheap });
      expect(draftCalls).toBeGreaterThan(0);
      expect(restAgeMs).toBe(0);
    }
  });

  it('reads anew after its kernels failed, and gives up after the third time in a row', async () => {
    const failed = { kind: 'failed', code: -3, reason: 'broken' } as const;
    let hasFailed = false;
    const once = await compare({
      commands: commandsFor(2),
      draft: cheap,
      onDraft: (_, kernel) => {
        if (!hasFailed) kernel.failNext([failed, { kind: 'no-room' }]);
        hasFailed = true;
      },
    });
    expect(once.warnings).toEqual([]);
    expect(once.stats.acceptedTokenCount).toBeGreaterThan(20);
    const always = await compare({
      commands: commandsFor(2),
      draft: cheap,
      onDraft: (_, kernel) => kernel.failNext([failed]),
    });
    expect(always.warnings).toEqual(['the draft model guesses no more: broken']);
    expect(always.draftCalls).toBeLessThan(6);
  });
});

describe('what is drawn with guesses', () => {
  const size = 5;
  const memory = createDrawMemory(size);
  const sampling = { ...greedySampling, temperature: 1 };
  /** Chances of the token after each token: of the target, and of a draft model that thinks otherwise. */
  const chances = [
    [0.5, 0.2, 0.1, 0.15, 0.05],
    [0.05, 0.05, 0.3, 0.3, 0.3],
    [0.2, 0.2, 0.2, 0.2, 0.2],
    [0.9, 0.02, 0.03, 0.04, 0.01],
    [0.1, 0.4, 0.1, 0.3, 0.1],
  ];
  const drafted = chances.map((row, token) => row.map((chance) => chance ** (token % 2 === 0 ? 0.5 : 2)));

  function drawFrom(table: readonly (readonly number[])[]) {
    return ({ tokens, tokenCount, seed }: SampleRow): number => {
      const logits = Float32Array.from(table[tokens[tokenCount - 1] ?? 0] ?? [], Math.log);
      return drawToken(logits, sampling, { seed, position: tokenCount }, memory);
    };
  }

  it('has the distribution of the target, pair by pair (chi-square)', async () => {
    const commands = Array.from({ length: 6 }, (_, index): CommandWish => {
      return { ids: [index + 1], tokens: [index % size], outputTokensMax: 700, seed: 1000 + index, ignoreEos: true };
    });
    const { journal, stats } = await runDrafting({
      commands,
      draft: cheap,
      vocabularySize: size,
      rowMs: 0.05,
      drawTarget: drawFrom(chances),
      drawDraft: drawFrom(drafted),
    });
    const counts = chances.map((row) => row.map(() => 0));
    for (const { ids, tokens } of commands) {
      let previous = tokens[0] ?? 0;
      for (const token of journal.tokens.get(ids[0] ?? 0) ?? []) {
        const row = counts[previous] ?? [];
        row[token] = (row[token] ?? 0) + 1;
        previous = token;
      }
    }
    // Guesses were taken, and were not.
    expect(stats.acceptedTokenCount).toBeGreaterThan(200);
    expect(stats.draftTokenCount - stats.acceptedTokenCount).toBeGreaterThan(200);
    let statistic = 0;
    counts.forEach((row, previous) => {
      const sum = row.reduce((total, count) => total + count, 0);
      row.forEach((count, token) => {
        const expected = sum * (chances[previous]?.[token] ?? 0);
        statistic += (count - expected) ** 2 / expected;
      });
    });
    // 5 rows of 4 degrees of freedom each: 45.3 is passed by one in a thousand, and seeds are fixed.
    expect(statistic).toBeLessThan(45.3);
  });
});
