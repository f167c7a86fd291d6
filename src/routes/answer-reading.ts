// How the answers to one request are read: calls and reasoning by the model's dialect, and where they are cut short.

import { type AnswerParser, createAnswerParser } from '../dialects/answer-parser.ts';
import { json, jsonShape } from '../dialects/calls/json.ts';
import type { Dialect } from '../dialects/dialect.ts';
import { endsInsideReasoning } from '../dialects/prompt-end.ts';
import type { CallFormat, CallShape, ReasoningFormat, ToolSchemas } from '../dialects/types.ts';
import { type TokenId, tokenId } from '../ids.ts';
import type { Tokenizer } from '../text-ports.ts';
import { createTokenTexts, type TokenTexts } from './token-text.ts';
import { joinTokens } from './tokenize-text.ts';

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
  /** The output will have to match a grammar, which control tokens are never part of. */
  readonly hasGrammar: boolean;
}

export interface PreparedReading {
  /** Perhaps longer than it was: where there may be no reasoning, the prompt itself ends it. */
  readonly prompt: Int32Array;
  readonly reading: AnswerReading | undefined;
  readonly endTokenIds: readonly TokenId[];
  /** Reasoning that a grammar has to leave room for. */
  readonly reasoning: { readonly format: ReasoningFormat; readonly isInside: boolean } | undefined;
  /** The marks of the reasoning are control tokens, so that under a grammar it could not end. */
  readonly hidesReasoning: boolean;
  /** How calls are spelled in a grammar. */
  readonly shape: CallShape;
}

export type AnswerReader = (wish: ReadingWish) => PreparedReading;

/** Tokens at the end of a prompt that may hold a begin mark and white space after it. */
const promptEndTokens = 48;

/** Prepares reading for a served model: what depends on the vocabulary is found once. */
export function createAnswerReader(dialect: Dialect, tokenizer: Tokenizer): AnswerReader {
  const known = [...dialect.calls.controlTexts, ...(dialect.reasoning?.controlTexts ?? [])];
  const controlTexts = known.filter((text) => controlToken(text, tokenizer) !== undefined);
  const vocabulary = { tokenizer, controlTexts, texts: createTokenTexts(tokenizer, new Set(controlTexts)) };
  const plain = createFormatReader(dialect, vocabulary);
  // No grammar has control tokens: where the model's own marks are such, it writes calls as JSON under one.
  const inJson = { ...json, callIds: dialect.calls.callIds };
  const shape = shapeOf(dialect.calls, controlTexts);
  const spelled = shape === undefined ? createFormatReader({ ...dialect, calls: inJson }, vocabulary) : plain;
  return (wish) => {
    const read = wish.hasGrammar && wish.tools.size > 0 ? spelled : plain;
    return { ...read(wish), shape: shape ?? jsonShape };
  };
}

function shapeOf({ shape }: CallFormat, controlTexts: readonly string[]): CallShape | undefined {
  if (shape === undefined) return undefined;
  const text = shape.begin('') + shape.separator + shape.end;
  return controlTexts.some((control) => text.includes(control)) ? undefined : shape;
}

interface VocabularyParts {
  readonly tokenizer: Tokenizer;
  readonly controlTexts: readonly string[];
  readonly texts: TokenTexts;
}

function createFormatReader(
  { calls, reasoning }: Dialect,
  { tokenizer, controlTexts, texts }: VocabularyParts,
): (wish: ReadingWish) => Omit<PreparedReading, 'shape'> {
  const endTokenIds = calls.stopTexts.flatMap((text) => controlToken(text, tokenizer) ?? []);
  const tokensOf = (text: string): Int32Array => tokenizer.tokenize(text, { special: true, bos: false });
  const ending = tokensOf(reasoning?.ending ?? '');
  const opening = tokensOf(reasoning?.opening ?? '');
  const isHidden = reasoning?.isChannel === true || controlTexts.some((text) => reasoning?.end.includes(text));

  return ({ prompt, tools, allowsSeveralCalls, reasoningTokensMax, hasGrammar }) => {
    const mayCall = tools.size > 0;
    if (!mayCall && !calls.isAlwaysRead && reasoning === undefined) {
      return { prompt, reading: undefined, endTokenIds: [], reasoning: undefined, hidesReasoning: false };
    }
    const isInside = reasoning !== undefined && endsInsideReasoning(promptEnd(prompt, tokenizer), reasoning);
    const mayThink = !(hasGrammar && isHidden) && reasoningTokensMax !== 0;
    const startsInside = isInside && mayThink;
    const leadIn = isInside && !mayThink ? ending : hasGrammar && isHidden ? opening : undefined;
    const options = {
      calls: mayCall || calls.isAlwaysRead ? calls : undefined,
      reasoning,
      tools,
      controlTexts,
      startsInside,
    };
    const budget = reasoningTokensMax === undefined ? undefined : { tokensMax: reasoningTokensMax, ending };
    return {
      prompt: leadIn === undefined ? prompt : joinTokens(prompt, leadIn),
      endTokenIds: mayCall ? endTokenIds : [],
      hidesReasoning: isHidden,
      reasoning: reasoning !== undefined && mayThink ? { format: reasoning, isInside } : undefined,
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

/** The schemas of tools by name, as parsers need them. */
export function toolSchemas(
  tools: readonly { readonly function: { readonly name: string; readonly parameters?: unknown } }[],
): ToolSchemas {
  return new Map(tools.map(({ function: { name, parameters } }) => [name, parameters]));
}
