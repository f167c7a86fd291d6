// POST /v1/completions: continues raw text.
// Why control tokens are recognised in the prompt here: who sends raw text writes the whole prompt, templates and all.

import { type OctetErrorBody, octetError } from '../errors.ts';
import type { Tokenizer } from '../text-ports.ts';
import {
  type CompletionRequest,
  completionsSchema,
  otherCompletionFaults,
  textLengthOf,
} from './completions-schema.ts';
import type { RouteDependencies } from './dependencies.ts';
import { echoTextOf } from './echo.ts';
import type { Endpoint, PromptPart } from './endpoint.ts';
import { faultsError } from './faults.ts';
import { fillInMiddle } from './fill-in-middle.ts';
import { plainReport } from './report.ts';
import { type Checked, checkBody } from './request-body.ts';
import { tokenizeText } from './tokenize-text.ts';
import { completionSpelling, openAiFormat } from './wire-shapes.ts';

/** OpenAI's default for this endpoint. */
const defaultTokensMax = 16;
const textOptions = { special: true, bos: true } as const;

export function completionsEndpoint({ tokenizer }: RouteDependencies): Endpoint<CompletionRequest> {
  const rules = {
    schema: completionsSchema,
    otherFaults: otherCompletionFaults,
    vocabularySize: tokenizer.vocabularySize,
  };
  return {
    check: (body) => checkBody(body, rules),
    promptsOf: (fields) => promptsOf(fields, tokenizer),
    formatOf: (fields, facts) => openAiFormat(completionSpelling, facts, fields),
  };
}

async function promptsOf(fields: CompletionRequest, tokenizer: Tokenizer): Promise<Checked<PromptPart>> {
  const suffix = fields.suffix ?? '';
  const fill = tokenizer.fillTokens;
  if (suffix !== '' && fill === undefined) {
    const rule = 'is not supported: this model has no tokens to fill in the middle with';
    return { kind: 'refused', error: faultsError([{ path: ['suffix'], rule, given: suffix }]) };
  }
  const suffixTokens = await tokenizeText(suffix, tokenizer, { special: false, bos: false });
  const prompts: Int32Array[] = [];
  const options = { ...textOptions, lengthInAll: textLengthOf(fields.prompt) };
  for (const [index, prompt] of fields.prompt.entries()) {
    const tokens = prompt.kind === 'tokens' ? prompt.tokens : await tokenizeText(prompt.text, tokenizer, options);
    const fault = vocabularyFault(tokens, fields.prompt.length === 1 ? 'prompt' : `prompt.${index}`, tokenizer);
    if (fault !== undefined) return { kind: 'refused', error: fault };
    prompts.push(
      suffix === '' || fill === undefined ? tokens : fillInMiddle(tokens, suffixTokens, { fill, tokenizer }),
    );
  }
  const echoTexts = fields.echo ? fields.prompt.map((prompt) => echoTextOf(prompt, tokenizer)) : undefined;
  return {
    kind: 'valid',
    value: {
      prompts,
      promptField: 'prompt',
      requestedTokensMax: fields.max_tokens ?? undefined,
      defaultTokensMax,
      bestOf: fields.best_of ?? undefined,
      report: { ...plainReport, outputTopCount: fields.logprobs ?? undefined, echoTexts },
    },
  };
}

/** The fault of a token id that the vocabulary does not have. */
export function vocabularyFault(
  tokens: Int32Array,
  path: string,
  { vocabularySize }: Pick<Tokenizer, 'vocabularySize'>,
): OctetErrorBody | undefined {
  const at = tokens.findIndex((token) => token >= vocabularySize);
  if (at === -1) return undefined;
  const rule = `must be a token id < ${vocabularySize}, the size of the vocabulary`;
  return octetError('invalid_request', `${path}.${at} ${rule}. Given: ${tokens[at]}`, `${path}.${at}`);
}
