// How the answers to one request are read: calls and reasoning by the model's dialect, and where they are cut short.

import { type AnswerParser, createAnswerParser } from '../dialects/answer-parser.ts';
import type { Dialect } from '../dialects/dialect.ts';
import { endsInsideReasoning } from '../dialects/prompt-end.ts';
import type { CallFormat, ToolSchemas } from '../dialects/types.ts';
import { type TokenId, tokenId } from '../ids.ts';
import type { Tokenizer } from '../ports.ts';
import { createTokenTexts, type TokenTexts } from './token-text.ts';

export interface AnswerReading {
  /** A parser for one choice. */
  createParser(): AnswerParser;
  /** Texts of tokens with the control tokens that the parser needs. */
  readonly texts: TokenTexts;
  /** Only one call is allowed: the answer ends with it. */
  readonly endsAfterCall: boolean;
  /** Which ids calls get that the model gave none. */
  readonly callIds: CallFormat['callIds'];
  /** Undefined where reasoning is not marked, so that its tokens are not told apart. */
  readonly reasoning: { readonly budget: ReasoningBudget | undefined } | undefined;
}

export interface ReasoningBudget {
  readonly tokensMax: number;
  /** Leads out of the reasoning; shape (length,). */
  readonly ending: Int32Array;
}

/** What a request says about its answers. */
export interface ReadingWish {
  readonly prompt: Int32Array;
  /** Empty where the model may not call. */
  readonly tools: ToolSchemas;
  readonly allowsSeveralCalls: boolean;
  /** Undefined means no limit. */
  readonly reasoningTokensMax: number | undefined;
}

export interface PreparedReading {
  /** Perhaps longer than it was: without any budget the prompt itself ends the reasoning. */
  readonly prompt: Int32Array;
  readonly reading: AnswerReading | undefined;
  readonly stopTokenIds: readonly TokenId[];
}

/** Tokens at the end of a prompt that may hold a begin mark and white space after it. */
const promptEndTokens = 48;

/** Prepares reading for a served model: what depends on the vocabulary is found once. */
export function createAnswerReader(dialect: Dialect, tokenizer: Tokenizer): (wish: ReadingWish) => PreparedReading {
  const { calls, reasoning } = dialect;
  const known = [...calls.controlTexts, ...(reasoning?.controlTexts ?? [])];
  const controlTexts = known.filter((text) => controlToken(text, tokenizer) !== undefined);
  const texts = createTokenTexts(tokenizer, new Set(controlTexts));
  const stopTokenIds = calls.stopTexts.flatMap((text) => controlToken(text, tokenizer) ?? []);
  const ending =
    reasoning === undefined ? undefined : tokenizer.tokenize(reasoning.ending, { special: true, bos: false });

  return ({ prompt, tools, allowsSeveralCalls, reasoningTokensMax }) => {
    const mayCall = tools.size > 0;
    if (!mayCall && !calls.isAlwaysRead && reasoning === undefined) {
      return { prompt, reading: undefined, stopTokenIds: [] };
    }
    const isInside = reasoning !== undefined && endsInsideReasoning(promptEnd(prompt, tokenizer), reasoning);
    const isOver = isInside && reasoningTokensMax === 0 && ending !== undefined;
    const options = {
      calls: mayCall || calls.isAlwaysRead ? calls : undefined,
      reasoning,
      tools,
      controlTexts,
      startsInside: isInside && !isOver,
    };
    const budget =
      reasoningTokensMax === undefined || ending === undefined ? undefined : { tokensMax: reasoningTokensMax, ending };
    return {
      prompt: isOver ? joined(prompt, ending) : prompt,
      stopTokenIds: mayCall ? stopTokenIds : [],
      reading: {
        createParser: () => createAnswerParser(options),
        texts,
        endsAfterCall: !allowsSeveralCalls,
        callIds: calls.callIds,
        reasoning: reasoning === undefined ? undefined : { budget },
      },
    };
  };
}

/** The control token of a text, if the vocabulary has one: hidden where text is shown, there where it is not. */
function controlToken(text: string, tokenizer: Tokenizer): TokenId | undefined {
  const [id, ...others] = tokenizer.tokenize(text, { special: true, bos: false });
  if (id === undefined || others.length > 0) return undefined;
  return tokenizer.pieceBytes(tokenId(id)).length === 0 ? tokenId(id) : undefined;
}

function promptEnd(prompt: Int32Array, tokenizer: Tokenizer): string {
  const pieces = Array.from(prompt.subarray(-promptEndTokens), (id) => tokenizer.pieceBytes(tokenId(id), true));
  return new TextDecoder().decode(Buffer.concat(pieces));
}

function joined(first: Int32Array, second: Int32Array): Int32Array {
  const both = new Int32Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}

/** The schemas of tools by name, as parsers need them. */
export function toolSchemas(
  tools: readonly { readonly function: { readonly name: string; readonly parameters?: unknown } }[],
): ToolSchemas {
  return new Map(tools.map(({ function: { name, parameters } }) => [name, parameters]));
}
