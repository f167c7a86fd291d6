import { describe, expect, it } from 'vitest';
import { createRandom } from '../../bench/random.ts';
import { createCostModel } from '../../src/scheduler/cost-model.ts';
import { type ChunkQuestion, promptTokensWithin } from '../../src/scheduler/prompt-budget.ts';
import { learnedCosts, trueMs } from './learned-costs.ts';

const question: ChunkQuestion = {
  decodeCount: 8,
  promptCount: 1,
  promptDepth: 0,
  itlTargetMs: 0,
  queueMs: 0,
  budgetTokens: 2048,
};

describe('prompt tokens within the inter-token target', () => {
  it('chooses a chunk that meets an explicit target, whatever waits', () => {
    const count = promptTokensWithin(learnedCosts(), {
      ...question,
      itlTargetMs: 40,
      queueMs: 60_000,
      promptCount: 50,
    });
    expect(trueMs(8, count)).toBeLessThan(41);
    expect(count).toBeGreaterThan(64);
  });

  it('without a target keeps a step under twice the quiet one', () => {
    const model = createCostModel();
    for (let round = 0; round < 400; round++) {
      model.observe({ decodeCount: 8, promptTokenCount: 0, promptDepth: 0 }, 30);
      const promptTokenCount = 2 ** (3 + (round % 8));
      model.observe({ decodeCount: 8, promptTokenCount, promptDepth: 0 }, 30 + 6 + 0.2 * promptTokenCount);
    }
    const count = promptTokensWithin(model, question);
    expect(30 + 6 + 0.2 * count).toBeLessThan(2 * 30 * 1.05);
    expect(count).toBeGreaterThan(64);
  });

  it('without a target gives more to prompts the more of them wait: one stream does not hold up thirty', () => {
    const ask = (decodeCount: number, promptCount: number) =>
      promptTokensWithin(learnedCosts(), { ...question, decodeCount, promptCount, budgetTokens: 1e6 });
    expect(ask(1, 31)).toBeGreaterThan(10 * ask(1, 1));
    expect(ask(64, 1)).toBe(ask(64, 8));
    expect(ask(16, 8)).toBeGreaterThan(2 * ask(16, 1));
  });

  it('without a target gives prompts more the longer the queue has waited, within a limit', () => {
    const ask = (queueMs: number) => promptTokensWithin(learnedCosts(), { ...question, queueMs, budgetTokens: 1e6 });
    expect(ask(10_000)).toBeGreaterThan(3 * ask(0));
    expect(ask(1e9)).toBe(ask(1e10));
    expect(trueMs(8, ask(1e9))).toBeLessThan(70 * trueMs(8, 0));
  });

  it('offers the whole budget when nobody decodes, little when nothing is known, and always something', () => {
    const unknown = createCostModel();
    expect(promptTokensWithin(unknown, { ...question, decodeCount: 0, budgetTokens: 512 })).toBe(512);
    expect(promptTokensWithin(unknown, { ...question, budgetTokens: 512 })).toBe(64);
    expect(promptTokensWithin(learnedCosts(), { ...question, itlTargetMs: 1 })).toBe(4);
    expect(promptTokensWithin(learnedCosts(), { ...question, decodeCount: 20, budgetTokens: 20 })).toBe(0);
  });

  it('lets what one chunk size learns of a deeper context count for the others', () => {
    const model = learnedCosts();
    const before = promptTokensWithin(model, { ...question, itlTargetMs: 40 });
    // Ten steps with chunks of 16 tokens, each token 1 ms dearer than it was.
    for (let round = 0; round < 10; round++) {
      model.observe({ decodeCount: 8, promptTokenCount: 16, promptDepth: 0 }, trueMs(8, 16) + 16);
    }
    const after = promptTokensWithin(model, { ...question, itlTargetMs: 40 });
    expect(before).toBeGreaterThan(64);
    expect(after).toBeLessThan(before / 2);
  });

  it('follows a machine that becomes slower', () => {
    const model = learnedCosts();
    for (let round = 0; round < 200; round++) {
      const decodeCount = 1 + (round % 16);
      model.observe({ decodeCount, promptTokenCount: 0, promptDepth: 0 }, 3 * trueMs(decodeCount, 0));
      const promptTokenCount = 2 ** (3 + (round % 8));
      model.observe({ decodeCount, promptTokenCount, promptDepth: 0 }, 3 * trueMs(decodeCount, promptTokenCount));
    }
    expect(model.predictMs({ decodeCount: 8, promptTokenCount: 0, promptDepth: 0 })).toBeGreaterThan(
      2.8 * trueMs(8, 0),
    );
    expect(promptTokensWithin(model, { ...question, itlTargetMs: 80 })).toBeLessThan(
      promptTokensWithin(learnedCosts(), { ...question, itlTargetMs: 80 }) / 2,
    );
  });

  /** Reads a prompt beside decoding sequences as the planner would; answers the length of every step. */
  function readPrompt(
    tokens: number,
    promptCount: number,
    machine: { quietMs: number; chunkMs: (count: number, depth: number) => number },
  ) {
    const model = createCostModel();
    const quiet = { decodeCount: 8, promptTokenCount: 0, promptDepth: 0 };
    for (let round = 0; round < 20; round++) model.observe(quiet, machine.quietMs);
    // What it learned while nothing decoded.
    for (const count of [2048, 512]) {
      model.observe(
        { decodeCount: 0, promptTokenCount: count, promptDepth: count / 2 },
        machine.chunkMs(count, count / 2),
      );
    }
    const steps: number[] = [];
    for (let done = 0; done < tokens; ) {
      const asked = promptTokensWithin(model, { ...question, promptCount, promptDepth: done });
      const count = Math.min(asked, tokens - done);
      const promptDepth = done + count / 2;
      const stepMs = machine.quietMs + machine.chunkMs(count, promptDepth);
      model.observe({ decodeCount: 8, promptTokenCount: count, promptDepth }, stepMs);
      steps.push(stepMs);
      done += count;
    }
    return steps;
  }

  it('keeps a long prompt within twice the quiet step at every depth that allows it', () => {
    const steps = readPrompt(2500, 1, { quietMs: 50, chunkMs: (count, depth) => 7 + count * (1.6 + 0.0015 * depth) });
    const late = steps.slice(10);
    expect(late.length).toBeGreaterThan(100);
    expect(Math.max(...late)).toBeLessThan(110);
  });

  it('keeps to it on a machine that wavers by a fifth from step to step', () => {
    const random = createRandom(7);
    const steps = readPrompt(2500, 1, {
      quietMs: 50,
      chunkMs: (count, depth) => (0.8 + 0.4 * random()) * (7 + count * (1.6 + 0.0015 * depth)),
    });
    const sorted = steps.slice(10).sort((a, b) => a - b);
    expect(sorted[Math.floor(0.99 * sorted.length)]).toBeLessThan(130);
    expect(sorted[Math.floor(0.5 * sorted.length)]).toBeGreaterThan(75);
  });

  it('reads a prompt at once where a chunk is mostly fixed part and the gap stays short', () => {
    const steps = readPrompt(10 * 300, 3, { quietMs: 20, chunkMs: (count) => 20 + 0.04 * count });
    // 150 chunks of 20 tokens would keep to twice the quiet step.
    expect(steps.length).toBeLessThan(20);
    expect(Math.max(...steps)).toBeLessThan(150);
  });
});
