// Tokens to text: no cut characters, no stop string, the same answer however the text is cut into tokens.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type TokenId, tokenId } from '../../src/ids.ts';
import { compileStops, createStopMatcher } from '../../src/routes/stop-matcher.ts';
import { createTextStream, type StopRules } from '../../src/routes/text-stream.ts';
import { createTokenDecoder, createTokenTexts, unfinishedLength } from '../../src/routes/token-text.ts';
import { byteTokens, createByteTokenizer } from '../fakes/tokenizer.ts';

const property = { interruptAfterTimeLimit: 2_000, markInterruptAsFailure: false };
/** Pieces of bytes, many of them cut or broken UTF-8. */
const brokenBytes = fc.uint8Array({ maxLength: 6 });
const cutText = fc
  .tuple(fc.string({ unit: 'binary', maxLength: 12 }), fc.array(fc.nat(6), { maxLength: 12 }))
  .map(([text, sizes]) => cut(Buffer.from(text, 'utf8'), sizes));

function cut(bytes: Uint8Array, sizes: readonly number[]): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  let at = 0;
  for (const size of sizes) {
    pieces.push(bytes.subarray(at, at + size));
    at += size;
  }
  return [...pieces, bytes.subarray(at)];
}

const rules = (stops: readonly string[]): StopRules => ({
  patterns: compileStops(stops),
  keepsStop: false,
  tokensMin: 0,
});

/** A stream whose tokens are `pieces`, and those tokens. */
function streamOf(pieces: readonly Uint8Array[], stops: readonly string[] = []) {
  const texts = createTokenTexts(createByteTokenizer(pieces));
  const tokens = pieces.map((_, index): TokenId => tokenId(257 + index));
  return { stream: createTextStream(texts, rules(stops)), tokens, texts };
}

describe('token decoder', () => {
  it('gives what a streaming TextDecoder gives, piece by piece', () => {
    fc.assert(
      fc.property(fc.oneof(fc.array(brokenBytes, { maxLength: 12 }), cutText), (pieces) => {
        const { tokens, texts } = streamOf(pieces);
        const decoder = createTokenDecoder(texts);
        const reference = new TextDecoder('utf-8', { ignoreBOM: true });
        for (const [index, token] of tokens.entries()) {
          expect(decoder.decode(token)).toBe(reference.decode(pieces[index], { stream: true }));
        }
        expect(decoder.flush()).toBe(reference.decode());
      }),
      { ...property, numRuns: 3000 },
    );
  });

  it('holds an emoji back until its last byte', () => {
    const decoder = createTokenDecoder(createTokenTexts(createByteTokenizer()));
    const texts = byteTokens('a👋b').map((token) => decoder.decode(token));
    expect(texts).toEqual(['a', '', '', '', '👋', 'b']);
  });

  it('ends an unfinished character with U+FFFD', () => {
    const decoder = createTokenDecoder(createTokenTexts(createByteTokenizer()));
    for (const token of byteTokens('👋').slice(0, 3)) decoder.decode(token);
    expect(decoder.flush()).toBe('\ufffd');
    expect(decoder.flush()).toBe('');
  });

  it('keeps byte order marks and NULs', () => {
    const { tokens, stream } = streamOf([Buffer.from('\ufeffa\0')]);
    expect(tokens.map((token) => stream.push(token)).join('')).toBe('\ufeffa\0');
  });

  it('never waits for bytes that cannot come', () => {
    expect(unfinishedLength(Uint8Array.of(0xf0, 0x9f, 0x91))).toBe(3);
    expect(unfinishedLength(Uint8Array.of(0x61, 0xe2))).toBe(1);
    expect(unfinishedLength(Uint8Array.of(0xed, 0xa0))).toBe(0);
    expect(unfinishedLength(Uint8Array.of(0xf5))).toBe(0);
    expect(unfinishedLength(Uint8Array.of(0xc3, 0xa9))).toBe(0);
    expect(unfinishedLength(Uint8Array.of(0x80, 0x80, 0x80, 0x80))).toBe(0);
  });
});

describe('stop strings', () => {
  /** What one pass over the whole text finds: cut before the stop string that is complete first. */
  function expected(text: string, stops: readonly string[]): string {
    for (let end = 1; end <= text.length; end += 1) {
      const ended = stops.filter((stop) => text.slice(0, end).endsWith(stop));
      const longest = Math.max(0, ...ended.map((stop) => stop.length));
      if (longest > 0) return text.slice(0, end - longest);
    }
    return text;
  }
  // Two letters: a small alphabet meets more overlaps.
  const word = fc.string({ unit: fc.constantFrom('a', 'b'), minLength: 1, maxLength: 4 });

  it('are found the same however the text is cut, and nothing of them is sent', () => {
    fc.assert(
      fc.property(fc.array(word, { maxLength: 10 }), fc.array(word, { maxLength: 4 }), (pieces, stops) => {
        const matcher = createStopMatcher(compileStops(stops));
        let sent = '';
        for (const piece of pieces) sent += matcher.push(piece);
        if (!matcher.stopped) sent += matcher.flush();
        expect(sent).toBe(expected(pieces.join(''), stops));
      }),
      { ...property, numRuns: 5000 },
    );
  });

  it('hold back no more than may still become a stop string', () => {
    fc.assert(
      fc.property(fc.array(word, { maxLength: 10 }), fc.array(word, { maxLength: 4 }), (pieces, stops) => {
        const matcher = createStopMatcher(compileStops(stops));
        let sent = '';
        let all = '';
        for (const piece of pieces) {
          sent += matcher.push(piece);
          all += piece;
          if (matcher.stopped) return;
          const held = all.slice(sent.length);
          expect(held === '' || stops.some((stop) => stop.startsWith(held))).toBe(true);
        }
      }),
      { ...property, numRuns: 3000 },
    );
  });

  it('are found inside a character that came in four tokens', () => {
    const stream = createTextStream(createTokenTexts(createByteTokenizer()), rules(['👋!']));
    const sent = byteTokens('hi 👋👋! more').map((token) => stream.push(token));
    expect(sent.join('')).toBe('hi 👋');
    expect(stream.stopped).toBe(true);
  });

  it('let what was held go when the text ends', () => {
    const stream = createTextStream(createTokenTexts(createByteTokenizer()), rules(['END']));
    expect(
      byteTokens('the EN')
        .map((token) => stream.push(token))
        .join(''),
    ).toBe('the ');
    expect(stream.flush()).toBe('EN');
  });

  it('cost the same per character however long they are', () => {
    const stops = Array.from({ length: 16 }, (_, index) => `${'a'.repeat(1000)}${index}`);
    const matcher = createStopMatcher(compileStops(stops));
    const startMs = performance.now();
    for (let index = 0; index < 20_000; index += 1) matcher.push('a');
    expect(performance.now() - startMs).toBeLessThan(1_000);
  });

  it('stay in the text where that is asked for', () => {
    const stream = createTextStream(createTokenTexts(createByteTokenizer()), { ...rules(['END']), keepsStop: true });
    expect(
      byteTokens('the END, and more')
        .map((token) => stream.push(token))
        .join(''),
    ).toBe('the END');
    expect(stream.stop).toBe('END');
  });

  it('do not count before the least number of tokens', () => {
    const stream = createTextStream(createTokenTexts(createByteTokenizer()), { ...rules(['a']), tokensMin: 3 });
    expect(
      byteTokens('aaabab')
        .map((token) => stream.push(token))
        .join(''),
    ).toBe('aaab');
  });
});
