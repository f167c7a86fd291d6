// The vocabulary and the chat template, as the HTTP side uses them.

import type { TokenId } from './ids.ts';

/** The vocabulary, as both processes see it. Thread-safe, read-only. */
export interface Tokenizer {
  readonly vocabularySize: number;
  /** `special` parses control tokens in the text (chat templates); user content must not. `bos` adds what the model wants in front. */
  tokenize(text: string, options: { readonly special: boolean; readonly bos: boolean }): Int32Array;
  /** The same off the JavaScript thread, for long texts. */
  tokenizeAsync(text: string, options: { readonly special: boolean; readonly bos: boolean }): Promise<Int32Array>;
  /** The bytes a token stands for (a part of a character, perhaps); empty for control tokens unless `special`. */
  pieceBytes(token: TokenId, special?: boolean): Uint8Array;
  isEndOfGeneration(token: TokenId): boolean;
  /** The tokens that mark a hole to be filled; undefined where the vocabulary has none. */
  readonly fillTokens?: FillTokens | undefined;
}

/** What stands before the text before a hole, before the text behind it, and before what fills it. */
export interface FillTokens {
  readonly prefix: TokenId;
  readonly suffix: TokenId;
  readonly middle: TokenId;
}

export interface ChatMessage {
  readonly role: string;
  /** Empty for a turn that only calls tools. */
  readonly content: string;
  readonly name?: string;
  /** The calls of an assistant's turn. */
  readonly toolCalls?: readonly ChatToolCall[];
  /** Which call a turn of the role `tool` answers. */
  readonly toolCallId?: string;
  /** What an assistant thought before its answer. */
  readonly reasoning?: string;
}

export interface ChatToolCall {
  readonly id: string;
  readonly name: string;
  /** JSON text, as the model wrote it once. */
  readonly argumentsText: string;
  /** The same as a value; the text where it is no JSON. Some templates want the one, some the other. */
  readonly arguments: unknown;
}

/** What a template sees besides the messages. */
export interface ChatOptions {
  /** Function definitions as the API takes them. */
  readonly tools?: readonly unknown[] | undefined;
  /** Variables of the template by name, such as `enable_thinking`. */
  readonly variables?: Readonly<Record<string, unknown>> | undefined;
  /** Default: `for-answer`. */
  readonly ending?: PromptEnding | undefined;
}

/** Where a prompt stops: where the assistant's answer begins, behind the last message, or within it, so that it goes on. */
export type PromptEnding = 'for-answer' | 'after-last' | 'within-last';

/** Renders a conversation into prompt text by the model's own template. */
export interface ChatTemplate {
  /** Throws a chat_template_failed OctetError when the template refuses the messages. */
  render(
    messages: readonly ChatMessage[],
    options: Omit<ChatOptions, 'ending'> & { readonly addGenerationPrompt: boolean },
  ): string;
  /** Whether the template shows tools to the model. */
  readonly showsTools: boolean;
}

/** Turns a conversation into prompt tokens by the model's own template; text inside it never becomes control tokens. */
export interface ChatEncoder {
  /** A promise when the text is long and tokenized off the JavaScript thread. */
  encodeChat(messages: readonly ChatMessage[], options?: ChatOptions): Int32Array | Promise<Int32Array>;
  /** Whether tools that it is given reach the model. */
  readonly showsTools: boolean;
}

/** Turns texts into tokens to make vectors of, with what the model wants around them. */
export interface EmbeddingEncoder {
  /** Token ids that stand before and after a whole text. */
  readonly edges: { readonly before: Int32Array; readonly after: Int32Array };
  /**
   * A query and a document as the ranking head was trained on them; text inside them never becomes control tokens. Where a
   * limit is passed the document loses its end.
   */
  encodePair(query: string, document: string, limits?: PairLimits): Promise<Int32Array>;
}

export interface PairLimits {
  /** Of the pair with everything around it. */
  readonly pairTokensMax?: number | undefined;
  readonly documentTokensMax?: number | undefined;
}
