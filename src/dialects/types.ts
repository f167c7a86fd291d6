// What a way of writing tool calls and reasoning is to the server.
// Why the word dialect: each model family was trained to spell calls and reasoning in its own marks; clients see one API.

import type { Reader, Reading } from './reading/reader.ts';

/** The tools of a request: name -> JSON schema of the parameters (undefined where none was given). */
export type ToolSchemas = ReadonlyMap<string, unknown>;

/** A call as text around its arguments' JSON, for grammars that force one. */
export interface CallShape {
  begin(name: string): string;
  readonly end: string;
  /** Between two calls. */
  readonly separator: string;
  /** Text that an answer in words never has, so that a call may be held to its form from there on; undefined for none. */
  readonly trigger: string | undefined;
}

/** How a model family writes tool calls. */
export interface CallFormat {
  readonly name: string;
  /** Texts that are control tokens in such vocabularies: hidden by detokenizing, needed here. */
  readonly controlTexts: readonly string[];
  /** Tokens that end an answer with calls, where the vocabulary does not say so itself. */
  readonly stopTexts: readonly string[];
  /** Which ids its template takes back: `openai` any, `mistral` nine letters and digits. */
  readonly callIds: 'openai' | 'mistral';
  /** Whether even an answer without tools is written in its marks (channels), so that it must always be read. */
  readonly isAlwaysRead: boolean;
  /** Undefined where a call is more than texts around JSON, or made of control tokens: then JSON alone is forced. */
  readonly shape: CallShape | undefined;
  /** Reads a whole answer. */
  read(reader: Reader, tools: ToolSchemas): Reading;
}

/** How a model family marks its reasoning. */
export interface ReasoningFormat {
  readonly name: string;
  /** Reasoning is a channel beside others, and read by the call format of the same name. */
  readonly isChannel: boolean;
  readonly controlTexts: readonly string[];
  readonly begin: string;
  readonly end: string;
  /** What an answer must begin with where a grammar leaves no room for the marks; empty for nothing. */
  readonly opening: string;
  /** Text that leads from inside the reasoning to the answer; forced when the budget is spent. */
  readonly ending: string;
}
