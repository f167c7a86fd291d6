// POST /tokenize, /detokenize and /apply-template: what the server makes of text, without generating.
// Why two spellings: clients of vLLM send `prompt` or `messages`, those of llama-server `content`; answers carry both names.

import { z } from 'zod';
import type { OctetErrorBody } from '../errors.ts';
import { withRulesPrepared } from '../grammar/kept-rules.ts';
import { tokenId } from '../ids.ts';
import type { Tokenizer } from '../text-ports.ts';
import { encodeConversation } from './chat-prompt.ts';
import { chatSchema } from './chat-schema.ts';
import type { RouteDependencies } from './dependencies.ts';
import { modelFault } from './endpoint.ts';
import { type Fault, faultsError, faultsOf } from './faults.ts';
import type { Checked } from './request-body.ts';
import { createTokenNames } from './token-names.ts';
import { tokenizeText } from './tokenize-text.ts';
import { boundedArray, wireText } from './wire-text.ts';

/** Enough for any context; far below what would block the process. */
const tokensMax = 4_194_304;

/** How the prompt of a conversation ends; vLLM's names. */
const endingFields = {
  add_generation_prompt: z.boolean().nullish(),
  continue_final_message: z.boolean().nullish(),
};
const conversationSchema = z.object(endingFields);

export const tokenizeSchema = z.object({
  model: wireText.nullish(),
  prompt: wireText.nullish(),
  content: wireText.nullish(),
  messages: z.unknown().optional(),
  add_special_tokens: z.boolean().nullish(),
  return_token_strs: z.boolean().nullish(),
  add_special: z.boolean().nullish(),
  parse_special: z.boolean().nullish(),
  with_pieces: z.boolean().nullish(),
  ...endingFields,
});
type TokenizeFields = z.output<typeof tokenizeSchema>;

export const detokenizeSchema = z.object({
  model: wireText.nullish(),
  tokens: boundedArray(z.int().min(0), { min: 0, max: tokensMax }),
});

/** An answer's body, or why there is none. */
type Body = Checked<object>;

/** Text or a conversation as tokens. Exactly one of `prompt`, `messages` and `content`. */
export async function tokenizeBody(body: unknown, dependencies: RouteDependencies): Promise<Body> {
  const checked = check(tokenizeSchema, body, dependencies);
  if (checked.kind === 'refused') return checked;
  const fields = checked.value;
  const given = (['prompt', 'messages', 'content'] as const).filter(
    (name) => (fields[name] ?? undefined) !== undefined,
  );
  if (given.length !== 1) {
    const rule = 'must be given, or messages, or content: exactly one of them';
    return refused({ path: ['prompt'], rule, given: given.length === 0 ? undefined : given.join(', ') });
  }
  const tokens =
    given[0] === 'messages' ? await conversationTokens(body, dependencies) : await textTokens(fields, dependencies);
  if (tokens.kind === 'refused') return tokens;
  return { kind: 'valid', value: tokensAnswer(tokens.value, fields, dependencies) };
}

async function textTokens(fields: TokenizeFields, { tokenizer }: RouteDependencies): Promise<Checked<Int32Array>> {
  const text = fields.prompt ?? fields.content ?? '';
  const isContent = typeof fields.content === 'string';
  const options = {
    special: fields.parse_special ?? true,
    bos: isContent ? (fields.add_special ?? false) : (fields.add_special_tokens ?? true),
  };
  return { kind: 'valid', value: await tokenizeText(text, tokenizer, options) };
}

async function conversationTokens(body: unknown, dependencies: RouteDependencies): Promise<Checked<Int32Array>> {
  const parsed = await withRulesPrepared(() => chatSchema.safeParse(body));
  const ending = conversationSchema.safeParse(body);
  const issues = [...(parsed.error?.issues ?? []), ...(ending.error?.issues ?? [])];
  if (!parsed.success || !ending.success) return { kind: 'refused', error: faultsError(faultsOf(issues, body)) };
  const { add_generation_prompt: addsPrompt, continue_final_message: goesOn } = ending.data;
  if (addsPrompt && goesOn) {
    const rule = 'must not be true together with add_generation_prompt';
    return refused({ path: ['continue_final_message'], rule, given: true });
  }
  const where = goesOn ? 'within-last' : addsPrompt === false ? 'after-last' : 'for-answer';
  return { kind: 'valid', value: await encodeConversation(parsed.data, dependencies, where) };
}

function tokensAnswer(tokens: Int32Array, fields: TokenizeFields, { engine, tokenizer }: RouteDependencies): object {
  const names = createTokenNames(tokenizer);
  const ids = Array.from(tokens, tokenId);
  return {
    count: ids.length,
    max_model_len: engine.capacity()?.contextTokensMax ?? null,
    tokens: fields.with_pieces ? ids.map((id) => ({ id, piece: names.name(id) })) : ids,
    ...(fields.return_token_strs ? { token_strs: ids.map(names.name) } : {}),
  };
}

/** Tokens as text; control tokens are spelled out. */
export function detokenizeBody(body: unknown, dependencies: RouteDependencies): Body {
  const checked = check(detokenizeSchema, body, dependencies);
  if (checked.kind === 'refused') return checked;
  const { vocabularySize } = dependencies.tokenizer;
  const fault = checked.value.tokens.findIndex((token) => token >= vocabularySize);
  if (fault >= 0) {
    const rule = `must be a token id < ${vocabularySize}, the size of the vocabulary`;
    return refused({ path: ['tokens', fault], rule, given: checked.value.tokens[fault] });
  }
  const text = textOf(checked.value.tokens, dependencies.tokenizer);
  return { kind: 'valid', value: { prompt: text, content: text } };
}

/** The prompt that the model would be given for a conversation, as text. */
export async function applyTemplateBody(body: unknown, dependencies: RouteDependencies): Promise<Body> {
  const tokens = await conversationTokens(body, dependencies);
  if (tokens.kind === 'refused') return tokens;
  const { tokenizer } = dependencies;
  const beginning = tokenizer.tokenize('', { special: false, bos: true });
  const isAdded = beginning.length > 0 && tokens.value[0] === beginning[0];
  return { kind: 'valid', value: { prompt: textOf(tokens.value.subarray(isAdded ? 1 : 0), tokenizer) } };
}

function textOf(tokens: ArrayLike<number>, tokenizer: Tokenizer): string {
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  const pieces = Array.from(tokens, (token) =>
    decoder.decode(tokenizer.pieceBytes(tokenId(token), true), { stream: true }),
  );
  return pieces.join('') + decoder.decode();
}

function check<S extends z.ZodType<{ readonly model?: string | null | undefined }>>(
  schema: S,
  body: unknown,
  { model }: RouteDependencies,
): Checked<z.output<S>> {
  const parsed = schema.safeParse(body);
  if (!parsed.success) return { kind: 'refused', error: faultsError(faultsOf(parsed.error.issues, body)) };
  const unknownModel: OctetErrorBody | undefined = modelFault(parsed.data.model ?? model.ids[0], model);
  return unknownModel === undefined ? { kind: 'valid', value: parsed.data } : { kind: 'refused', error: unknownModel };
}

function refused(fault: Fault): Checked<never> {
  return { kind: 'refused', error: faultsError([fault]) };
}
