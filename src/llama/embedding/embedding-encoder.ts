// Texts as tokens to make vectors of: what the model wants around a whole text, and pairs for a ranking head.
// Why the edges are read off the native tokenizer: which of its begin, end and separator tokens a vocabulary adds depends on its
// kind and on four settings of the file; a text tokenized both ways shows it.
// Source: how llama-server of llama.cpp v0.5.0 builds a pair (template `rerank`, else query and document between the vocabulary's
// own end and separator tokens).

import { tokenId } from '../../ids.ts';
import type { EmbeddingEncoder, PairLimits, Tokenizer } from '../../text-ports.ts';
import { assembleChatEncoder } from '../chat-encoder.ts';
import { readControlTokens } from '../control-tokens.ts';
import type { LlamaModel } from '../model.ts';

type Pair = (query: string, document: string) => Int32Array | Promise<Int32Array>;

export function createEmbeddingEncoder(model: LlamaModel, tokenizer: Tokenizer): EmbeddingEncoder {
  const template = model.metadata('tokenizer.chat_template.rerank');
  const pair = template === undefined ? plainPair(model, tokenizer) : templatePair(model, tokenizer, template);
  return {
    edges: readEdges(model),
    encodePair: (query, document, limits = {}) => encodeFitting({ pair, tokenizer, query, ...limits }, document),
  };
}

function readEdges({ libraries: { native }, vocabulary }: LlamaModel): EmbeddingEncoder['edges'] {
  const bytes = new TextEncoder().encode('a');
  const tokens = (edges: boolean): Int32Array => {
    const to = new Int32Array(16);
    return to.slice(
      0,
      Math.max(native.llama_tokenize(vocabulary, bytes, bytes.length, to, to.length, edges, false), 0),
    );
  };
  const [bare, whole] = [tokens(false), tokens(true)];
  const starts = Array.from({ length: whole.length - bare.length + 1 }, (_, start) => start);
  const start = starts.find((from) => bare.every((token, index) => whole[from + index] === token)) ?? 0;
  return { before: whole.slice(0, start), after: whole.slice(start + bare.length) };
}

/** Query and document one after another, between the tokens that the vocabulary sets around sentences. */
function plainPair({ libraries: { native }, vocabulary }: LlamaModel, tokenizer: Tokenizer): Pair {
  const eos = native.llama_vocab_eos(vocabulary);
  const sep = native.llama_vocab_sep(vocabulary);
  const beginning = native.llama_vocab_get_add_bos(vocabulary) ? [native.llama_vocab_bos(vocabulary)] : [];
  const end = native.llama_vocab_get_add_eos(vocabulary) ? [eos < 0 ? sep : eos] : [];
  const separator = native.llama_vocab_get_add_sep(vocabulary) ? [sep] : [];
  const bare = { special: false, bos: false };
  return async (query, document) => {
    const [first, second] = [await tokenizer.tokenizeAsync(query, bare), await tokenizer.tokenizeAsync(document, bare)];
    return Int32Array.from([...beginning, ...first, ...end, ...separator, ...second, ...end]);
  };
}

/** The file's own words around them; nothing that they hold is taken for a place to fill, or for a control token. */
function templatePair(model: LlamaModel, tokenizer: Tokenizer, template: string): Pair {
  const withoutBeginning: Tokenizer = {
    ...tokenizer,
    tokenize: (text, options) => tokenizer.tokenize(text, { ...options, bos: false }),
    tokenizeAsync: (text, options) => tokenizer.tokenizeAsync(text, { ...options, bos: false }),
  };
  const encoder = assembleChatEncoder({
    template: {
      render: ([query, document]) =>
        template.replace(/\{(query|document)\}/g, (_, name: string) =>
          name === 'query' ? (query?.content ?? '') : (document?.content ?? ''),
        ),
      showsTools: false,
    },
    tokenizer: withoutBeginning,
    controlTokens: readControlTokens(model),
  });
  return (query, document) =>
    encoder.encodeChat([
      { role: 'query', content: query },
      { role: 'document', content: document },
    ]);
}

interface Fitting extends PairLimits {
  readonly pair: Pair;
  readonly tokenizer: Tokenizer;
  readonly query: string;
}

/** Tokens of a text that is cut may join anew at its end: then a little more is cut, this often at most. */
const cutsMax = 4;

async function encodeFitting(fitting: Fitting, document: string): Promise<Int32Array> {
  const { pair, tokenizer, query, pairTokensMax = Number.POSITIVE_INFINITY, documentTokensMax } = fitting;
  let kept: Int32Array | undefined;
  if (documentTokensMax !== undefined) {
    const all = await tokenizer.tokenizeAsync(document, { special: false, bos: false });
    if (all.length > documentTokensMax) kept = all.slice(0, documentTokensMax);
  }
  let tokens = await pair(query, kept === undefined ? document : textOf(kept, tokenizer));
  for (let cut = 0; cut < cutsMax && tokens.length > pairTokensMax; cut++) {
    kept ??= await tokenizer.tokenizeAsync(document, { special: false, bos: false });
    kept = kept.slice(0, Math.max(kept.length - (tokens.length - pairTokensMax), 0));
    tokens = await pair(query, textOf(kept, tokenizer));
  }
  return tokens;
}

/** Without the part of a character that the last token may be. */
function textOf(tokens: Int32Array, tokenizer: Tokenizer): string {
  const decoder = new TextDecoder();
  return Array.from(tokens, (token) => decoder.decode(tokenizer.pieceBytes(tokenId(token)), { stream: true })).join('');
}
