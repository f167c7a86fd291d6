// The formats that are known, by name, and which of them a model's chat template asks for.
// Why by the template: it shows the model past calls in the very marks that the model was trained to write.

import { deepseek } from './calls/deepseek.ts';
import { functionaryV31 } from './calls/functionary-v31.ts';
import { functionaryV32 } from './calls/functionary-v32.ts';
import { gemma } from './calls/gemma.ts';
import { glm } from './calls/glm.ts';
import { harmony } from './calls/harmony.ts';
import { hermes } from './calls/hermes.ts';
import { json } from './calls/json.ts';
import { kimiK2 } from './calls/kimi-k2.ts';
import { llama3 } from './calls/llama3.ts';
import { mistral } from './calls/mistral.ts';
import { qwen3Coder } from './calls/qwen3-coder.ts';
import { commandThink, gemmaThought, harmonyAnalysis, mistralThink, seedThink, think } from './reasoning-formats.ts';
import type { CallFormat, ReasoningFormat } from './types.ts';

export const callFormatNames = [
  'hermes',
  'qwen3-coder',
  'llama3',
  'mistral',
  'deepseek',
  'glm',
  'kimi-k2',
  'harmony',
  'gemma',
  'functionary-v3.1',
  'functionary-v3.2',
  'json',
] as const;
export type CallFormatName = (typeof callFormatNames)[number];

export const callFormats: Readonly<Record<CallFormatName, CallFormat>> = {
  hermes,
  'qwen3-coder': qwen3Coder,
  llama3,
  mistral,
  deepseek,
  glm,
  'kimi-k2': kimiK2,
  harmony,
  gemma,
  'functionary-v3.1': functionaryV31,
  'functionary-v3.2': functionaryV32,
  json,
};

export const reasoningFormatNames = ['think', 'mistral', 'seed', 'command', 'gemma', 'harmony'] as const;
export type ReasoningFormatName = (typeof reasoningFormatNames)[number];

export const reasoningFormats: Readonly<Record<ReasoningFormatName, ReasoningFormat>> = {
  think,
  mistral: mistralThink,
  seed: seedThink,
  command: commandThink,
  gemma: gemmaThought,
  harmony: harmonyAnalysis,
};

/** Texts of a template that give a format away, the most telling first: formats share tags. */
const callSigns: readonly (readonly [CallFormatName, readonly string[]])[] = [
  ['harmony', ['<|channel|>', '<|message|>']],
  ['kimi-k2', ['<|tool_calls_section_begin|>']],
  ['deepseek', ['<｜tool▁calls▁begin｜>']],
  ['mistral', ['[TOOL_CALLS]']],
  ['gemma', ['<start_function_call>']],
  ['gemma', ['<|tool_call>', 'call:']],
  ['glm', ['<arg_key>']],
  ['qwen3-coder', ['<function=', '<parameter=']],
  ['functionary-v3.2', ['>>>all']],
  ['functionary-v3.1', ['<function=', '</function>']],
  ['functionary-v3.1', ['`<function`', '</function>']],
  ['hermes', ['<tool_call>']],
  ['llama3', ['<|start_header_id|>', '"parameters"', 'tool_call']],
];

const reasoningSigns: readonly (readonly [ReasoningFormatName, readonly string[]])[] = [
  ['harmony', ['<|channel|>analysis']],
  ['mistral', ['[THINK]']],
  ['gemma', ['<|channel>thought']],
  ['seed', ['<seed:think>']],
  ['command', ['<|START_THINKING|>']],
  ['think', ['</think>']],
];

/** The call format of a template; `json` for one that shows none. */
export function detectCallFormat(template: string): CallFormatName {
  return detect(template, callSigns) ?? 'json';
}

/** The reasoning format of a template, if the model has one. */
export function detectReasoningFormat(template: string): ReasoningFormatName | undefined {
  return detect(template, reasoningSigns);
}

function detect<Name>(template: string, signs: readonly (readonly [Name, readonly string[]])[]): Name | undefined {
  return signs.find(([, texts]) => texts.every((text) => template.includes(text)))?.[0];
}

/** How a served model writes calls and reasoning. */
export interface Dialect {
  readonly calls: CallFormat;
  readonly reasoning: ReasoningFormat | undefined;
}

/** The dialect by settings: a format's name, `auto` for that of the template, for reasoning also `none`. */
export function chooseDialect(
  template: string,
  wishes: { readonly tools: CallFormatName | 'auto'; readonly reasoning: ReasoningFormatName | 'auto' | 'none' },
): Dialect {
  const callName = wishes.tools === 'auto' ? detectCallFormat(template) : wishes.tools;
  const reasoningName = wishes.reasoning === 'auto' ? detectReasoningFormat(template) : wishes.reasoning;
  return {
    calls: callFormats[callName],
    reasoning: reasoningName === undefined || reasoningName === 'none' ? undefined : reasoningFormats[reasoningName],
  };
}
