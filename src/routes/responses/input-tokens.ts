// POST /v1/responses/input_tokens: how many tokens a request's prompt has, without answering it.
// Source: OpenAI's InputTokenCountResponse.

import { withRulesPrepared } from '../../grammar/kept-rules.ts';
import type { ServedModel } from '../dependencies.ts';
import { type Endpoint, modelFault } from '../endpoint.ts';
import type { Checked } from '../request-body.ts';
import type { ResponsesRequest } from './asked-response.ts';

/** Takes the body of a request for a response. */
export async function countInputTokens(
  body: unknown,
  { check, promptsOf }: Endpoint<ResponsesRequest>,
  model: ServedModel,
): Promise<Checked<object>> {
  const request = await withRulesPrepared(() => check(body));
  if (request.kind === 'refused') return request;
  const unknownModel = modelFault(request.value.model ?? model.ids[0], model);
  if (unknownModel !== undefined) return { kind: 'refused', error: unknownModel };
  const part = await promptsOf(request.value);
  if (part.kind === 'refused') return part;
  const count = part.value.prompts.reduce((sum, { length }) => sum + length, 0);
  return { kind: 'valid', value: { object: 'response.input_tokens', input_tokens: count } };
}
