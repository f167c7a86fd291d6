// What kills engines is found and fails alone, whether it is a sequence or a grammar; what was beside it goes on.

import { describe, expect, test } from 'vitest';
import type { OctetErrorBody } from '../../../src/errors.ts';
import type { GrammarSpec } from '../../../src/grammar-port.ts';
import { sequenceId } from '../../../src/ids.ts';
import type { GenerateCommand, SequenceEvent } from '../../../src/ports.ts';
import { command, type OpenClient, openClient } from './client.ts';

const grammar = (text: string): GrammarSpec => ({ kind: 'ebnf', text });
const idOf = ({ choices }: GenerateCommand): number | undefined => choices[0]?.sequenceId;

/** Remembers what a promise came to. */
function outcomeOf(answer: Promise<OctetErrorBody | undefined>): { error?: OctetErrorBody | undefined } {
  const outcome: { error?: OctetErrorBody | undefined } = {};
  void answer.then((error) => Object.assign(outcome, { error }));
  return outcome;
}

/** What was sent since the last call. */
function watch<T>(list: readonly T[]): () => readonly T[] {
  let seen = list.length;
  return () => {
    const fresh = list.slice(seen);
    seen = list.length;
    return fresh;
  };
}

function die(open: OpenClient): void {
  open.lose();
  open.replace();
}

describe('a grammar that kills every engine which compiles it', () => {
  test('is tried alone and fails alone; those that waited beside it are compiled', async () => {
    const open = openClient(9);
    const texts = ['innocent', 'deadly', 'late'];
    const [innocent, deadly] = texts.slice(0, 2).map((text) => outcomeOf(open.client.prepareGrammar(grammar(text))));
    open.client.submit(command(1, [1, 2], 0), () => undefined);
    die(open);
    expect(open.prepared.slice(2).map(({ grammar: { kind } }) => kind)).toHaveLength(2);
    const prepared = watch(open.prepared);
    const sent = watch(open.sent);
    die(open);
    // The first suspect is alone: nothing else is sent, nor what comes now.
    const [trial] = prepared();
    expect(trial?.grammar).toEqual(grammar('innocent'));
    const late = outcomeOf(open.client.prepareGrammar(grammar('late')));
    expect([prepared(), sent()]).toEqual([[], []]);
    open.say({ kind: 'grammar-prepared', id: trial?.id ?? 0, error: undefined });
    expect(prepared().map((each) => each.grammar)).toEqual([grammar('deadly')]);
    expect(sent()).toEqual([]);
    die(open);
    await Promise.resolve();
    expect(innocent).toEqual({ error: undefined });
    expect(deadly?.error).toMatchObject({ code: 'engine_crashed', message: expect.stringContaining('three times') });
    expect(late).toEqual({});
    expect(prepared().map((each) => each.grammar)).toEqual([grammar('late')]);
    expect(sent().map(idOf)).toEqual([1]);
  });

  test('is not blamed for deaths that it only waited through', async () => {
    const open = openClient();
    open.lose();
    const waiting = outcomeOf(open.client.prepareGrammar(grammar('patient')));
    for (let death = 0; death < 5; death++) open.lose();
    open.replace();
    open.say({ kind: 'grammar-prepared', id: open.prepared.at(-1)?.id ?? 0, error: undefined });
    await Promise.resolve();
    expect([open.prepared.length, 'error' in waiting, waiting.error]).toEqual([1, true, undefined]);
  });
});

describe('a sequence', () => {
  const withGrammar = (id: number, text: string): GenerateCommand => ({
    ...command(id, [1, 2], 0),
    grammar: grammar(text),
  });
  const failuresOf = (events: readonly SequenceEvent[]): unknown[] =>
    events.flatMap((event) => (event.kind === 'sequence-failed' ? [[event.sequenceId, event.error.code]] : []));

  test('whose grammar kills the engine before it starts is found and fails alone', () => {
    const open = openClient(9);
    const events: SequenceEvent[] = [];
    const keep = (event: SequenceEvent): void => void events.push(event);
    open.client.submit(command(1, [1, 2], 0), keep);
    open.client.submit(withGrammar(2, 'deadly'), keep);
    const sent = watch(open.sent);
    die(open);
    expect(sent().map(idOf)).toEqual([1, 2]);
    die(open);
    expect(sent().map(idOf)).toEqual([2]);
    die(open);
    expect(failuresOf(events)).toEqual([[2, 'engine_crashed']]);
    expect(sent().map(idOf)).toEqual([1]);
  });

  test('whose grammar the engine had compiled before does not count while it only waits', async () => {
    const open = openClient(9);
    const events: SequenceEvent[] = [];
    const known = withGrammar(1, 'known');
    void open.client.prepareGrammar(known.grammar ?? grammar(''));
    open.say({ kind: 'grammar-prepared', id: open.prepared.at(-1)?.id ?? 0, error: undefined });
    open.client.submit(known, (event) => void events.push(event));
    // The first death is none of its business; after it, each new engine has to compile the grammar.
    for (let death = 0; death < 3; death++) die(open);
    expect(failuresOf(events)).toEqual([]);
    die(open);
    expect(failuresOf(events)).toEqual([[1, 'engine_crashed']]);
  });

  test('that is cancelled while no engine is there keeps nobody waiting', () => {
    const open = openClient(9);
    for (const id of [1, 2]) open.client.submit(command(id, [1, 2], 0), () => undefined);
    for (let death = 0; death < 2; death++) {
      open.report({ kind: 'sequence-started', sequenceId: sequenceId(1), cachedTokenCount: 0, queueMs: 0 });
      die(open);
    }
    open.lose();
    open.client.cancel(sequenceId(1), 'client-gone');
    const sent = watch(open.sent);
    open.replace();
    expect(sent().map(idOf)).toEqual([2]);
  });
});
