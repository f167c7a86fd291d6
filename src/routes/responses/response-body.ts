// The object `response`: what was asked, with every default filled in, and how far its answer is.
// Source: OpenAI's Response.

import { errorRules, type OctetErrorBody } from '../../errors.ts';
import type { Usage } from '../generation-types.ts';
import type { AskedResponse } from './asked-response.ts';
import type { OutputItem } from './items.ts';
import type { ResponsesFields } from './request-schema.ts';
import { formatOf } from './text-field.ts';

export interface ResponseHead {
  readonly id: string;
  /** Unix time in seconds. */
  readonly createdAt: number;
  readonly model: string;
}

/** How far the answer is. */
export type ResponseState =
  | { readonly status: 'in_progress' | 'cancelled' }
  | { readonly status: 'completed' | 'incomplete'; readonly usage: Usage }
  | { readonly status: 'failed'; readonly error: OctetErrorBody };

/** What a client gets, and what the store keeps. */
export function responseBody(
  head: ResponseHead,
  { fields }: AskedResponse,
  { state, output }: { readonly state: ResponseState; readonly output: readonly OutputItem[] },
): object {
  return {
    id: head.id,
    object: 'response',
    created_at: head.createdAt,
    status: state.status,
    background: false,
    completed_at: state.status === 'completed' ? secondsNow() : null,
    error: state.status === 'failed' ? failureBody(state.error) : null,
    incomplete_details: state.status === 'incomplete' ? { reason: 'max_output_tokens' } : null,
    model: head.model,
    output,
    ...repeatedFields(fields),
    usage: 'usage' in state ? responseUsage(state.usage) : null,
  };
}

export function secondsNow(): number {
  return Math.floor(Date.now() / 1000);
}

function repeatedFields(fields: ResponsesFields): object {
  return {
    instructions: fields.instructions ?? null,
    max_output_tokens: fields.max_output_tokens ?? null,
    max_tool_calls: fields.max_tool_calls ?? null,
    metadata: fields.metadata ?? {},
    parallel_tool_calls: fields.parallel_tool_calls ?? true,
    previous_response_id: fields.previous_response_id ?? null,
    prompt_cache_key: fields.prompt_cache_key ?? null,
    reasoning: { effort: fields.reasoning?.effort ?? null, summary: fields.reasoning?.summary ?? null },
    safety_identifier: fields.safety_identifier ?? null,
    service_tier: 'default',
    store: fields.store ?? true,
    temperature: fields.temperature ?? 1,
    text: { format: formatOf(fields.text).wire, verbosity: fields.text?.verbosity ?? 'medium' },
    tool_choice: fields.tool_choice?.wire ?? 'auto',
    tools: fields.tools ?? [],
    top_logprobs: fields.top_logprobs ?? 0,
    top_p: fields.top_p ?? 1,
    truncation: fields.truncation ?? 'disabled',
    ...(fields.user ? { user: fields.user } : {}),
  };
}

/** `cache_write_tokens`: of caches that are paid for by what is written to them; this one keeps what it computes. */
function responseUsage(usage: Usage): object {
  return {
    input_tokens: usage.promptTokenCount,
    input_tokens_details: { cached_tokens: usage.cachedTokenCount, cache_write_tokens: 0 },
    output_tokens: usage.generationTokenCount,
    output_tokens_details: { reasoning_tokens: usage.reasoningTokenCount ?? 0 },
    total_tokens: usage.promptTokenCount + usage.generationTokenCount,
  };
}

/** A response has codes of its own, fewer than errors have. */
function failureBody({ code, message }: OctetErrorBody): object {
  const { type } = errorRules[code];
  if (type === 'rate_limit_error') return { code: 'rate_limit_exceeded', message };
  return { code: type === 'invalid_request_error' ? 'invalid_prompt' : 'server_error', message };
}
