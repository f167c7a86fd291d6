// Writes texts that a grammar allows, by drawing at random from its masks: a model with no opinion of its own.
// Why not a real model alone: it writes what it knows, and what a grammar wrongly allows is what nobody would write.

import type { CompiledGrammar } from '@mlc-ai/web-xgrammar';
import { type Library, loadLibrary } from '../../src/grammar/threads/library.ts';
import { vocabularyText } from '../../src/grammar/threads/vocabulary.ts';
import type { GrammarSpec } from '../../src/grammar-port.ts';
import { tokenId } from '../../src/ids.ts';
import { createTokenizer } from '../../src/llama/tokenizer.ts';
import { loadTestModel } from '../llama/loaded.ts';

export interface MaskedWriter {
  readonly library: Library;
  readonly vocabularySize: number;
  readonly endTokenIds: readonly number[];
  readonly pieces: readonly Uint8Array[];
  compile(spec: GrammarSpec): Promise<CompiledGrammar>;
  /** One text; undefined when it did not end by itself in time. Throws where nothing may follow an unfinished text. */
  write(grammar: CompiledGrammar, seed: number): Promise<string | undefined>;
  dispose(): void;
}

const tokensMax = 250;
/** From here on ends are preferred, so that lists and texts do not go on for ever. */
const tokensWanted = 40;

export async function createMaskedWriter(): Promise<MaskedWriter> {
  const model = await loadTestModel(undefined, 'vocabulary');
  const tokenizer = createTokenizer(model);
  const { vocabularySize, endTokenIds } = model;
  const pieces = Array.from({ length: vocabularySize }, (_, token) => tokenizer.pieceBytes(tokenId(token)));
  const printed: string[] = [];
  const library = loadLibrary((line) => printed.push(line));
  const texts = pieces.map(vocabularyText);
  const info = await library.TokenizerInfo.createTokenizerInfo(texts, 'byte_level', false, vocabularySize, [
    ...endTokenIds,
  ]);
  const compiler = await library.GrammarCompiler.createGrammarCompiler(info, false);
  // Half characters are left to models: a random half is followed by a random other half.
  const decoder = new TextDecoder('utf-8', { fatal: true });
  const isWhole = pieces.map((piece) => {
    try {
      return decoder.decode(piece) !== '';
    } catch {
      return false;
    }
  });
  const hasText = pieces.map((piece) => piece.length > 0);
  const isCloser = pieces.map((piece) => ['"', '}', ']'].includes(String.fromCharCode(piece[0] ?? 0)));

  async function write(grammar: CompiledGrammar, seed: number): Promise<string | undefined> {
    const random = createRandom(seed);
    const matcher = await library.GrammarMatcher.createGrammarMatcher(grammar);
    const written: Uint8Array[] = [];
    try {
      while (written.length < tokensMax) {
        const mask = await matcher.getNextTokenBitmask();
        const isAllowed = (token: number): boolean => ((mask[token >> 5] ?? 0) & (1 << (token & 31))) !== 0;
        const mayEnd = endTokenIds.some(isAllowed);
        const isLate = written.length > tokensWanted;
        if (mayEnd && (isLate || random() < 0.3)) return textOf(written);
        const wanted = isLate && random() < 0.9 ? pick(mask, isCloser, random) : undefined;
        const token = wanted ?? pick(mask, isWhole, random) ?? pick(mask, hasText, random);
        if (token === undefined && mayEnd) return textOf(written);
        if (token === undefined) throw new Error(`nothing may follow ${JSON.stringify(textOf(written))}`);
        if (!matcher.acceptToken(token)) throw new Error(`token ${token} was allowed and then refused`);
        written.push(pieces[token] ?? new Uint8Array());
      }
      return undefined;
    } finally {
      matcher.dispose();
    }
  }

  return {
    library,
    vocabularySize,
    endTokenIds,
    pieces,
    async compile(spec) {
      try {
        return await (spec.kind === 'ebnf'
          ? compiler.compileGrammar(spec.text)
          : compiler.compileStructuralTag(spec.tag));
      } catch (error) {
        throw new Error(`${String(error)}: ${printed.slice(-2).join(' ')}`);
      }
    },
    write,
    dispose: () => model.dispose(),
  };
}

/** A token that is allowed and wanted, from a random place on. */
function pick(mask: Int32Array, isWanted: readonly boolean[], random: () => number): number | undefined {
  const start = Math.floor(random() * mask.length);
  for (let offset = 0; offset < mask.length; offset++) {
    const word = (start + offset) % mask.length;
    const bits = mask[word] ?? 0;
    if (bits === 0) continue;
    const first = Math.floor(random() * 32);
    for (let at = 0; at < 32; at++) {
      const bit = (first + at) % 32;
      if ((bits & (1 << bit)) !== 0 && isWanted[word * 32 + bit] === true) return word * 32 + bit;
    }
  }
  return undefined;
}

function textOf(pieces: readonly Uint8Array[]): string {
  return Buffer.concat(pieces).toString('utf8');
}

/** A linear congruential generator: repeatable, and good enough to wander. */
export function createRandom(seed: number): () => number {
  let state = (seed * 2654435761 + 12345) >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}
