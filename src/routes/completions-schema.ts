// The body of POST /v1/completions: one prompt or several, each as text or as token ids.
// Why the prompt is checked by hand: a union of four array types gives four unrelated complaints, and a prompt of a
// million ids should cost one pass.

import { z } from 'zod';
import { type Fault, givenText } from './faults.ts';
import { choiceCountMax, sharedFields, topCountField } from './request-fields.ts';
import { unsupportedFaults, unsupportedInCompletions } from './unsupported.ts';
import { readByHand, surrogateRule, wireText } from './wire-text.ts';

const suffixLengthMax = 1_048_576;
const promptCountMax = 1024;
/** Enough for any context; far below what would block the process. */
const promptTokensMax = 4_194_304;
const promptRule = 'must be a string, a list of strings, a list of token ids, or a list of lists of token ids';
const tokenRule = 'must be a token id: an integer >= 0 and < 2147483648';

export type Prompt =
  | { readonly kind: 'text'; readonly text: string }
  /** Shape (length,). */
  | { readonly kind: 'tokens'; readonly tokens: Int32Array };

/** Of all texts in a list, in UTF-16 units. */
export function textLengthOf(prompts: readonly Prompt[]): number {
  return prompts.reduce((sum, prompt) => sum + (prompt.kind === 'text' ? prompt.text.length : 0), 0);
}

const idList = z.array(z.int().min(0).max(0x7fff_ffff)).min(1).max(promptTokensMax);

/** One text or several, as text or as token ids; at most `countMax`. */
export const promptListField = (countMax: number) =>
  readByHand(
    z.unknown().transform((value, context): readonly Prompt[] => promptsOf(value, context, countMax)),
    z.union([z.string(), z.array(z.string()).min(1).max(countMax), idList, z.array(idList).min(1).max(countMax)]),
  );

export const completionsSchema = z
  .object({
    prompt: promptListField(promptCountMax).describe('One prompt or several, as text or as token ids.'),
    ...sharedFields,
    max_tokens: z
      .int()
      .min(0)
      .nullish()
      .describe('Most output tokens; 0, with `echo`, only reads the prompt. Default: 16.'),
    best_of: z
      .int()
      .min(1)
      .max(choiceCountMax)
      .nullish()
      .describe('So many answers are generated, the `n` likeliest returned. Not while streaming.'),
    // Some clients send what chat takes; false asks for nothing.
    logprobs: z
      .preprocess((value) => (value === false ? undefined : value), topCountField)
      .describe('Log-probabilities of the answer, so many likely tokens each.'),
    echo: z.boolean().nullish().describe('The prompt in front of each answer.'),
    suffix: wireText
      .max(suffixLengthMax)
      .nullish()
      .describe('The text behind a hole that the answer fills, where the vocabulary has the tokens.'),
  })
  .meta({ id: 'CompletionRequest' });

export type CompletionRequest = z.output<typeof completionsSchema>;

/** Faults of a completions body outside its schema. */
export function otherCompletionFaults(body: unknown): Fault[] {
  const faults = unsupportedFaults(body, unsupportedInCompletions);
  if (typeof body !== 'object' || body === null) return faults;
  const given: Readonly<Record<string, unknown>> = { ...body };
  const { n, best_of: bestOf, echo, stream, suffix, max_tokens: most } = given;
  const choiceCount = typeof n === 'number' ? n : 1;
  if (typeof bestOf === 'number' && bestOf < choiceCount) {
    faults.push({ path: ['best_of'], rule: `must be >= n (${givenText(choiceCount)})`, given: bestOf });
  }
  if (typeof bestOf === 'number' && bestOf > choiceCount && stream === true) {
    faults.push({
      path: ['best_of'],
      rule: `must be equal to n (${givenText(choiceCount)}) when stream is true`,
      given: bestOf,
    });
  }
  if (most === 0 && echo !== true) faults.push({ path: ['max_tokens'], rule: 'must be >= 1', given: most });
  if (echo === true && typeof given['truncate_prompt_tokens'] === 'number') {
    const rule = 'is not allowed together with echo';
    faults.push({ path: ['truncate_prompt_tokens'], rule, given: given['truncate_prompt_tokens'] });
  }
  if (typeof suffix === 'string' && suffix !== '' && echo === true) {
    faults.push({ path: ['suffix'], rule: 'is not allowed together with echo', given: suffix });
  }
  return faults;
}

function promptsOf(value: unknown, context: z.RefinementCtx, countMax: number): readonly Prompt[] {
  if (typeof value === 'string') return textOf(value, [], context);
  if (!Array.isArray(value) || value.length === 0) return refuse(context, [], promptRule);
  if (typeof value[0] === 'number') return tokensOf(value, [], context);
  if (value.length > countMax) return refuse(context, [], `must hold at most ${countMax} prompts`);
  const isText = typeof value[0] === 'string';
  return value.flatMap((entry: unknown, index) => {
    if (isText && typeof entry === 'string') return textOf(entry, [index], context);
    if (!isText && Array.isArray(entry)) return tokensOf(entry, [index], context);
    return refuse(context, [index], promptRule);
  });
}

function textOf(text: string, path: PropertyKey[], context: z.RefinementCtx): readonly Prompt[] {
  return text.isWellFormed() ? [{ kind: 'text', text }] : refuse(context, path, surrogateRule);
}

function tokensOf(list: readonly unknown[], path: PropertyKey[], context: z.RefinementCtx): readonly Prompt[] {
  if (list.length > promptTokensMax) return refuse(context, path, `must hold at most ${promptTokensMax} token ids`);
  const tokens = new Int32Array(list.length);
  for (const [index, id] of list.entries()) {
    if (typeof id !== 'number' || !Number.isInteger(id) || id < 0 || id > 0x7fff_ffff) {
      return refuse(context, [...path, index], tokenRule);
    }
    tokens[index] = id;
  }
  return [{ kind: 'tokens', tokens }];
}

function refuse(context: z.RefinementCtx, path: PropertyKey[], message: string): never[] {
  context.addIssue({ code: 'custom', message, path });
  return [];
}
