// Compiling: what is kept, what is refused, and what happens to an instance that aborts, hangs or is lost.

import { afterEach, describe, expect, test } from 'vitest';
import { type CompiledGrammars, createCompiledGrammars } from '../../src/grammar/compiled-grammars.ts';
import { createMasks } from '../../src/grammar/create-masks.ts';
import type { GrammarInstance, Lost } from '../../src/grammar/threads/instance.ts';
import type { GrammarCompile, GrammarCursor, GrammarSpec, SequenceMasks } from '../../src/grammar-port.ts';
import { sequenceId } from '../../src/ids.ts';

const spec = (text: string): GrammarSpec => ({ kind: 'ebnf', text });

interface FakeInstance extends GrammarInstance {
  readonly log: string[];
}

/** An instance that takes as long for a grammar as its text says; a text `abort` aborts it. */
function createFakeInstance(name: string): FakeInstance {
  const log: string[] = [];
  let lost: Lost | undefined;
  const waiting: ((answer: Lost) => void)[] = [];
  const end = (reason: string): void => {
    lost = { kind: 'lost', reason, matcher: 0 };
    for (const answer of waiting.splice(0)) answer(lost);
  };
  return {
    log,
    ready: Promise.resolve(),
    get isLost() {
      return lost !== undefined;
    },
    compile(_, { kind, ...rest }) {
      const text = 'text' in rest ? rest.text : kind;
      log.push(`${name} compiles ${text}`);
      if (text === 'abort') end('EBNF parser error');
      if (lost !== undefined) return Promise.resolve(lost);
      const elapsedMs = Number(/\d+/.exec(text)?.[0] ?? 1);
      return new Promise((resolve) => {
        waiting.push(resolve);
        if (text !== 'hang') resolve({ kind: 'compiled', elapsedMs });
      });
    },
    forget: (grammar) => void log.push(`${name} forgets ${grammar}`),
    open: () => undefined,
    close: () => undefined,
    mask: () => Promise.resolve({ kind: 'answered', result: 'mask' }),
    end,
  };
}

function fakeGrammars(timeoutMs = 1000): {
  grammars: CompiledGrammars;
  instances: FakeInstance[];
  outcomes: string[];
} {
  const outcomes: string[] = [];
  const onCompile = ({ outcome }: GrammarCompile): void => void outcomes.push(outcome);
  const instances: FakeInstance[] = [];
  const createInstance = (): GrammarInstance => {
    const instance = createFakeInstance(`i${instances.length}`);
    instances.push(instance);
    return instance;
  };
  const options = { createInstance, timeoutMs, unusedMax: 3, quickMs: 100, onCompile };
  return { grammars: createCompiledGrammars(options), instances, outcomes };
}

describe('with instances of the test', () => {
  test('a quick grammar is tried apart and then held by the shared instance', async () => {
    const { grammars, instances } = fakeGrammars();
    expect(await grammars.prepare(spec('5 ms'))).toBeUndefined();
    expect(instances.flatMap(({ log }) => log)).toEqual(['i0 compiles 5 ms', 'i1 compiles 5 ms', 'i1 forgets 1']);
    expect(grammars.find(spec('5 ms'))?.instance).toBe(instances[0]);
    await grammars.prepare(spec('5 ms'));
    expect(instances.flatMap(({ log }) => log)).toHaveLength(3);
  });

  test('a slow grammar stays where it was compiled', async () => {
    const { grammars, instances } = fakeGrammars();
    await grammars.prepare(spec('500 ms'));
    expect(grammars.find(spec('500 ms'))?.instance).toBe(instances[1]);
    await grammars.prepare(spec('6 ms'));
    expect(grammars.find(spec('6 ms'))?.instance).toBe(instances[0]);
  });

  test('with four of those, slow grammars are held by the shared instance too', async () => {
    const { grammars, instances } = fakeGrammars();
    const slow = [501, 502, 503, 504, 505].map((ms) => spec(`${ms} ms`));
    for (const one of slow) {
      grammars.hold(one);
      await grammars.prepare(one);
    }
    const shared = slow.filter((one) => grammars.find(one)?.instance === instances[0]);
    expect(shared).toEqual([slow[4]]);
  });

  test('an instance that aborts is replaced, and the reason is told', async () => {
    const { grammars, instances } = fakeGrammars();
    const error = await grammars.prepare(spec('abort'));
    expect(error).toMatchObject({ code: 'grammar_failed', message: expect.stringContaining('EBNF parser error') });
    expect(await grammars.prepare(spec('7 ms'))).toBeUndefined();
    expect(instances.map(({ isLost }) => isLost)).toEqual([false, true, false]);
  });

  test('a grammar that does not compile in time is refused with the limit, at once the second time', async () => {
    const { grammars } = fakeGrammars(30);
    const error = await grammars.prepare(spec('hang'));
    expect(error?.message).toContain('did not compile within grammarTimeoutMs (30 ms)');
    expect(await grammars.prepare(spec('hang'))).toBe(error);
  });

  test('while one hangs, others compile', async () => {
    const { grammars } = fakeGrammars(10_000);
    void grammars.prepare(spec('hang'));
    expect(await grammars.prepare(spec('8 ms'))).toBeUndefined();
    grammars.dispose();
  });

  test('unused grammars are dropped, the oldest first; used ones stay', async () => {
    const { grammars } = fakeGrammars();
    grammars.hold(spec('1 ms'));
    for (const text of ['1 ms', '2 ms', '3 ms', '4 ms', '5 ms', '6 ms']) await grammars.prepare(spec(text));
    expect(grammars.stats().grammarCount).toBe(4);
    grammars.release(spec('1 ms'));
    expect(grammars.stats().grammarCount).toBe(3);
  });

  test('what was asked for, compiled and dropped is counted', async () => {
    const { grammars, outcomes } = fakeGrammars(30);
    const texts = ['1 ms', '1 ms', 'abort', 'abort', 'hang', '2 ms', '3 ms', '4 ms', '1 ms'];
    for (const text of texts) await grammars.prepare(spec(text));
    expect(outcomes).toEqual(['compiled', 'refused', 'late', 'compiled', 'compiled', 'compiled', 'compiled']);
    expect(grammars.stats()).toEqual({
      grammarCount: 3,
      grammarHitCount: 2,
      grammarMissCount: 7,
      grammarEvictionCount: 4,
    });
  });

  test('an instance that cannot be started is an error of that moment only', async () => {
    let startCount = 0;
    const createInstance = (): GrammarInstance => {
      startCount += 1;
      if (startCount <= 2) throw new Error('no more threads');
      return createFakeInstance(`i${startCount}`);
    };
    const grammars = createCompiledGrammars({ createInstance, timeoutMs: 1000 });
    // The first start is the shared instance's, the second that of a trial.
    for (const text of ['a', 'a', 'b', 'a', 'b']) await grammars.prepare(spec(text)).catch(() => undefined);
    expect(await grammars.prepare(spec('a'))).toBeUndefined();
    expect(await grammars.prepare(spec('c'))).toBeUndefined();
    startCount = 0;
    const others = createCompiledGrammars({ createInstance, timeoutMs: 1000 });
    expect(await others.prepare(spec('a'))).toMatchObject({
      code: 'internal_error',
      message: 'Error: no more threads',
    });
  });

  test('a lost instance makes its grammars compile again', async () => {
    const { grammars, instances } = fakeGrammars();
    await grammars.prepare(spec('9 ms'));
    instances[0]?.end('killed');
    expect(grammars.find(spec('9 ms'))).toBeUndefined();
    expect(await grammars.prepare(spec('9 ms'))).toBeUndefined();
    expect(grammars.find(spec('9 ms'))?.instance.isLost).toBe(false);
  });
});

describe('with XGrammar in threads', () => {
  /** Token 0 ends; the others are a, b, c and the two bytes of é. */
  const pieces = [[], [0x61], [0x62], [0x63], [0xc3], [0xa9]].map((bytes) => Uint8Array.from(bytes));
  let masks: SequenceMasks | undefined;
  afterEach(() => masks?.dispose());

  function create(timeoutMs = 10_000): SequenceMasks {
    masks = createMasks({
      vocabularySize: pieces.length,
      endTokenIds: [0],
      pieceBytes: (token) => pieces[token] ?? new Uint8Array(),
      timeoutMs,
    });
    return masks;
  }

  const cursor = (id: number, grammar: GrammarSpec, output: readonly number[], avoidEnd = false): GrammarCursor => ({
    sequenceId: sequenceId(id),
    grammar,
    tokens: Int32Array.from([9, 9, ...output]),
    tokenCount: 2 + output.length,
    generatedCount: output.length,
    avoidEnd,
  });

  async function allowed(from: SequenceMasks, ...cursors: GrammarCursor[]): Promise<unknown[]> {
    const outcomes = await from.masks(cursors);
    return outcomes.map((outcome) =>
      outcome.kind === 'mask'
        ? pieces.flatMap((_, token) => (((outcome.mask[0] ?? 0) >> token) & 1 ? [token] : []))
        : outcome.kind,
    );
  }

  test('masks follow outputs, each sequence its own', async () => {
    const running = create();
    const abc = spec('root ::= "ab" "c"*');
    const preparing = running.prepare(abc);
    expect(running.stats().preparingCount).toBe(1);
    expect(await preparing).toBeUndefined();
    expect(running.stats()).toMatchObject({ preparingCount: 0, grammarCount: 1 });
    expect(running.takeCompiles()).toMatchObject([{ outcome: 'compiled', elapsedMs: expect.any(Number) }]);
    expect(running.takeCompiles()).toEqual([]);
    expect(await allowed(running, cursor(1, abc, []), cursor(2, abc, [1, 2]))).toEqual([[1], [0, 3]]);
    expect(running.takeMaskMs()).toBeGreaterThan(0);
    expect(running.takeMaskMs()).toBe(0);
    expect(await allowed(running, cursor(1, abc, [1]), cursor(2, abc, [1, 2, 3]))).toEqual([[2], [0, 3]]);
    // Half a character, and the other half.
    const accent = spec('root ::= "é" | "a"');
    expect(await allowed(running, cursor(3, accent, []), cursor(4, accent, [4]))).toEqual([[1, 4], [5]]);
  });

  test('an end is avoided where anything else is possible', async () => {
    const running = create();
    const grammar = spec('root ::= "a" "b"?');
    expect(await allowed(running, cursor(1, grammar, [1], true))).toEqual([[2]]);
    expect(await allowed(running, cursor(2, grammar, [1, 2], true))).toEqual([[0]]);
  });

  test('a token that does not fit fails its sequence alone', async () => {
    const running = create();
    const grammar = spec('root ::= "a"* ');
    expect(await allowed(running, cursor(1, grammar, [2]), cursor(2, grammar, [1]))).toEqual(['failed', [0, 1]]);
  });

  test('what aborts an instance is refused with the reason, and the next grammar compiles', async () => {
    const running = create();
    expect(await running.prepare(spec('root ::= "a'))).toMatchObject({ code: 'grammar_failed' });
    expect((await running.prepare(spec('root ::= missing')))?.message).toContain('Rule "missing" is not defined');
    expect(await running.prepare(spec('root ::= "a"'))).toBeUndefined();
  });

  test('a compilation that takes too long is ended', async () => {
    const many = Array.from(
      { length: 4000 },
      (_, index) => `r${index} ::= [a-c] r${index + 1} | "b" r${(index * 7) % 4000}`,
    );
    const slow = spec(`root ::= r0\n${many.join('\n')}\nr4000 ::= "a"`);
    const running = create(5);
    expect((await running.prepare(slow))?.message).toContain('within grammarTimeoutMs (5 ms)');
  });
});
