// Calibration texts from files to tokens: plain text as it is, chat files through the model's own template.
// Why one stream of tokens: windows are cut out of it, and a text shorter than a window is not lost.

import { createHash } from 'node:crypto';
import { assembleChatEncoder } from '../../llama/chat-encoder.ts';
import { chatTemplateSource, createChatTemplate } from '../../llama/chat-template.ts';
import { readControlTokens } from '../../llama/control-tokens.ts';
import type { LlamaModel } from '../../llama/model.ts';
import { createTokenizer } from '../../llama/tokenizer.ts';
import type { Tokenizer } from '../../text-ports.ts';
import { readEvaluationFile } from '../evaluate/fetch-file.ts';
import { acceptItems, type LineFault } from '../evaluate/tasks/files/lines.ts';
import { type ChatLine, parseChatLines } from './chat-lines.ts';

export type TextFormat = 'auto' | 'text' | 'chat';

export interface TextWish {
  /** Files or URLs, read one after another. */
  readonly paths: readonly string[];
  /** `auto`: chat for .jsonl and .ndjson, else text. */
  readonly format: TextFormat;
  /** Whether control tokens written out in plain text become control tokens. */
  readonly parsesSpecial: boolean;
  /** Leaves out broken lines instead of refusing the file. */
  readonly skipBroken: boolean;
  readonly warn: (text: string) => void;
}

export interface CalibrationTokens {
  readonly tokens: Int32Array;
  /** Of the tokens. */
  readonly sha256: string;
}

/** Reads and tokenizes all of them; throws with what is wrong with a file, line by line. */
export async function readCalibrationTokens(model: LlamaModel, wish: TextWish): Promise<CalibrationTokens> {
  const tokenizer = createTokenizer(model);
  const pieces: Int32Array[] = [];
  for (const path of wish.paths) {
    const { text } = await readEvaluationFile(path);
    checkText(path, text, wish);
    if (isChat(path, wish.format)) pieces.push(...(await chatTokens({ model, tokenizer, path, text }, wish)));
    else pieces.push(await tokenizer.tokenizeAsync(text, { bos: true, special: wish.parsesSpecial }));
  }
  const tokens = concatenated(pieces);
  const bytes = new Uint8Array(tokens.buffer, tokens.byteOffset, tokens.byteLength);
  return { tokens, sha256: createHash('sha256').update(bytes).digest('hex') };
}

function isChat(path: string, format: TextFormat): boolean {
  return format === 'auto' ? /\.(jsonl|ndjson)$/i.test(path) : format === 'chat';
}

function checkText(path: string, text: string, { warn }: TextWish): void {
  if (text.trim() === '')
    throw new Error(`${path} must have text. Given: ${text.length === 0 ? 'none' : 'blanks only'}`);
  const zero = text.indexOf('\0');
  if (zero >= 0) throw new Error(`${path} must be a text file. Found: a NUL character in line ${lineOf(text, zero)}`);
  const broken = [...text.matchAll(/\ufffd/g)];
  if (broken.length > 0)
    warn(
      `${path} has ${broken.length} characters that are no valid UTF-8, the first in line ${lineOf(text, broken[0]?.index ?? 0)}`,
    );
}

function lineOf(text: string, index: number): number {
  return text.slice(0, index).split('\n').length;
}

interface ChatSource {
  readonly model: LlamaModel;
  readonly tokenizer: Tokenizer;
  readonly path: string;
  readonly text: string;
}

/** Tokens of each conversation; lines that the template refuses are broken lines, too. */
async function chatTokens(
  { model, tokenizer, path, text }: ChatSource,
  wish: TextWish,
): Promise<readonly Int32Array[]> {
  const { items, faults } = parseChatLines(text);
  const encode = createLineEncoder(model, tokenizer);
  const encoded: Int32Array[] = [];
  const refused: LineFault[] = [];
  for (const item of items) {
    try {
      encoded.push(await encode(item));
    } catch (error) {
      refused.push({ line: item.line, reason: error instanceof Error ? error.message : String(error) });
    }
  }
  const allFaults = [...faults, ...refused].sort((a, b) => a.line - b.line);
  return acceptItems(
    { items: encoded, faults: allFaults },
    { file: path, skipBroken: wish.skipBroken, warn: wish.warn },
  );
}

function createLineEncoder(model: LlamaModel, tokenizer: Tokenizer) {
  const template = createChatTemplate(model);
  const controlTokens = readControlTokens(model);
  return async ({ messages, tools, text }: ChatLine): Promise<Int32Array> => {
    if (messages === undefined) return tokenizer.tokenizeAsync(text ?? '', { bos: true, special: false });
    if (chatTemplateSource(model) === null)
      throw new Error('the model has no chat template, so that of chat files it reads only lines of {"text": ...}');
    // A finished conversation: nothing is to be generated after it.
    const render: typeof template.render = (given, options) =>
      template.render(given, { ...options, tools, addGenerationPrompt: false });
    return assembleChatEncoder({ template: { ...template, render }, tokenizer, controlTokens }).encodeChat(messages);
  };
}

function concatenated(pieces: readonly Int32Array[]): Int32Array {
  const all = new Int32Array(pieces.reduce((length, piece) => length + piece.length, 0));
  let offset = 0;
  for (const piece of pieces) {
    all.set(piece, offset);
    offset += piece.length;
  }
  return all;
}
