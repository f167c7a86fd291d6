// Blocks of a streamed answer: one open at a time, in the order the model wrote them, each with all its text when it closes.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Block, type BlockWriter, createBlockWriter } from '../../src/routes/answer-blocks.ts';
import type { StreamPiece } from '../../src/routes/answer-format.ts';

function record(): { readonly writer: BlockWriter; readonly lines: string[] } {
  const lines: string[] = [];
  const note = (line: string): string => {
    lines.push(line);
    return `${line}\n`;
  };
  const name = ({ place, head }: Block): string => `${place} ${head.kind === 'call' ? head.name : head.kind}`;
  const writer = createBlockWriter({
    opened: (block) => note(`open ${name(block)}`),
    grown: (block, added) => note(`grow ${name(block)} ${added}`),
    closed: (block, outcome) => note(`close ${name(block)} ${outcome} ${block.text}`),
  });
  return { writer, lines };
}

const started = (name: string): StreamPiece => ({ kind: 'call-started', callIndex: 0, id: 'c', name });
const given = (text: string): StreamPiece => ({ kind: 'call-arguments', callIndex: 0, text });
const finished: StreamPiece = { kind: 'call-finished', callIndex: 0 };

describe('blocks', () => {
  it('opens a block where the kind changes and closes it with its whole text', () => {
    const { writer, lines } = record();
    const sent =
      writer.piece({ kind: 'reasoning', text: 'hm' }) +
      writer.text('a') +
      writer.text('b') +
      writer.piece(started('f')) +
      writer.piece(given('{"x":')) +
      writer.piece(given('1}')) +
      writer.piece(finished) +
      writer.piece(started('g')) +
      writer.piece(finished) +
      writer.text('end') +
      writer.end() +
      writer.end();
    expect(lines).toEqual([
      'open 0 reasoning',
      'grow 0 reasoning hm',
      'close 0 reasoning whole hm',
      'open 1 content',
      'grow 1 content a',
      'grow 1 content b',
      'close 1 content whole ab',
      'open 2 f',
      'grow 2 f {"x":',
      'grow 2 f 1}',
      'close 2 f whole {"x":1}',
      'open 3 g',
      'close 3 g whole ',
      'open 4 content',
      'grow 4 content end',
      'close 4 content whole end',
    ]);
    expect(sent).toBe(`${lines.join('\n')}\n`);
  });

  it('closes a call that broke as such, and writes what it was as content', () => {
    const { writer, lines } = record();
    writer.piece(started('f'));
    writer.piece(given('{'));
    writer.piece({ kind: 'call-broken', text: '<call>f{', wasStarted: true });
    writer.text('<call>f{');
    writer.end();
    expect(lines).toEqual([
      'open 0 f',
      'grow 0 f {',
      'close 0 f broken {',
      'open 1 content',
      'grow 1 content <call>f{',
      'close 1 content whole <call>f{',
    ]);
  });

  it('opens nothing for text that is empty', () => {
    const { writer, lines } = record();
    expect(writer.text('') + writer.piece({ kind: 'reasoning', text: '' }) + writer.end()).toBe('');
    expect(lines).toEqual([]);
  });

  it('has one block open at a time, places without gaps, and loses no text', () => {
    const pieces = fc.oneof(
      fc.record({ kind: fc.constant('text' as const), text: fc.string() }),
      fc.record({ kind: fc.constant('reasoning' as const), text: fc.string() }),
      fc.record({ kind: fc.constant('call' as const), text: fc.string() }),
    );
    fc.assert(
      fc.property(fc.array(pieces), (list) => {
        const opened: number[] = [];
        let open: number | undefined;
        let text = '';
        const writer = createBlockWriter({
          opened: ({ place }) => {
            expect(open).toBeUndefined();
            open = place;
            opened.push(place);
            return '';
          },
          grown: ({ place }, added) => {
            expect(place).toBe(open);
            text += added;
            return '';
          },
          closed: ({ place }) => {
            expect(place).toBe(open);
            open = undefined;
            return '';
          },
        });
        for (const piece of list) {
          if (piece.kind === 'text') writer.text(piece.text);
          else if (piece.kind === 'reasoning') writer.piece({ kind: 'reasoning', text: piece.text });
          else for (const each of [started('f'), given(piece.text), finished]) writer.piece(each);
        }
        writer.end();
        expect(open).toBeUndefined();
        expect(opened).toEqual(opened.map((_, index) => index));
        expect(text).toBe(list.map((piece) => piece.text).join(''));
      }),
    );
  });
});
