// The body of POST /v1/completions: one prompt or several, each as text or as token ids.
// Why the prompt is checked by hand: a union of four array types gives four unrelated complaints, and a prompt of a
// million ids should cost one pass.

import { z } from 'zod';
import { type Fault, givenText } from './faults.ts';
import { sharedFields } from './request-fields.ts';
import { unsupportedFaults, unsupportedInCompletions } from './unsupported.ts';
import { surrogateRule } from './wire-text.ts';

const promptCountMax = 1024;
/** Enough for any context; far below what would block the process. */
const promptTokensMax = 4_194_304;
const promptRule = 'must be a string, a list of strings, a list of token ids, or a list of lists of token ids';
const tokenRule = 'must be a token id: an integer >= 0 and < 2147483648';

export type Prompt =
  | { readonly kind: 'text'; readonly text: string }
  /** Shape (length,). */
  | { readonly kind: 'tokens'; readonly tokens: Int32Array };

const promptField = z
  .unknown()
  .optional()
  .transform((value, context): readonly Prompt[] => promptsOf(value, context));

export const completionsSchema = z.object({
  ...sharedFields,
  prompt: promptField,
  best_of: z.int().nullish(),
});

export type CompletionRequest = z.output<typeof completionsSchema>;

/** Faults of a completions body outside its schema. */
export function otherCompletionFaults(body: unknown): Fault[] {
  const faults = unsupportedFaults(body, unsupportedInCompletions);
  if (typeof body !== 'object' || body === null || !('best_of' in body)) return faults;
  const choiceCount = 'n' in body ? (body.n ?? 1) : 1;
  const bestOf = body.best_of ?? choiceCount;
  if (bestOf !== choiceCount) {
    const rule = `must be equal to n (${givenText(choiceCount)}): choosing among more answers than are returned is not supported`;
    faults.push({ path: ['best_of'], rule, given: bestOf });
  }
  return faults;
}

function promptsOf(value: unknown, context: z.RefinementCtx): readonly Prompt[] {
  if (typeof value === 'string') return textOf(value, [], context);
  if (!Array.isArray(value) || value.length === 0) return refuse(context, [], promptRule);
  if (typeof value[0] === 'number') return tokensOf(value, [], context);
  if (value.length > promptCountMax) return refuse(context, [], `must hold at most ${promptCountMax} prompts`);
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
