// A plain client of the completions API: whole answers, and streams that can be watched and dropped while they run.
// Why beside the official client: tests of cancelling, crashing and slow readers need the connection in their hands.

import { z } from 'zod';

/** Fields of a request body. */
export type Body = Readonly<Record<string, unknown>>;

const usageSchema = z.object({
  prompt_tokens: z.number(),
  completion_tokens: z.number(),
  prompt_tokens_details: z.object({ cached_tokens: z.number() }),
});
const errorSchema = z.object({
  message: z.string(),
  type: z.string(),
  param: z.string().nullable(),
  code: z.string(),
});
/** Whole answers, chunks and errors of /v1/completions in one. */
const answerSchema = z.object({
  choices: z.array(z.object({ index: z.number(), text: z.string(), finish_reason: z.string().nullable() })).default([]),
  usage: usageSchema.nullish(),
  error: errorSchema.optional(),
});

export type WireError = z.output<typeof errorSchema>;
export type Usage = z.output<typeof usageSchema>;

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  /** Of choice 0. */
  readonly text: string;
  readonly finishReason: string | null;
  readonly usage: Usage | undefined;
  readonly error: WireError | undefined;
}

function post(url: string, body: Body, signal?: AbortSignal): Promise<Response> {
  return fetch(`${url}/v1/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
    signal: signal ?? null,
  });
}

/** Asks and waits for the whole answer. */
export async function complete(url: string, body: Body): Promise<Answer> {
  const response = await post(url, body);
  const { choices, usage, error } = answerSchema.parse(await response.json());
  return {
    status: response.status,
    headers: response.headers,
    text: choices[0]?.text ?? '',
    finishReason: choices[0]?.finish_reason ?? null,
    usage: usage ?? undefined,
    error,
  };
}

/** The text of an answer that must be there. */
export async function textOf(url: string, body: Body): Promise<string> {
  const answer = await complete(url, body);
  if (answer.status !== 200) throw new Error(`status ${answer.status}: ${JSON.stringify(answer.error)}`);
  return answer.text;
}

export interface StreamEnd {
  /** How it ended: the end mark, an error event or status, or the connection broke. */
  readonly kind: 'complete' | 'error' | 'broken';
  /** Undefined when no head came. */
  readonly status: number | undefined;
  readonly text: string;
  readonly finishReason: string | null;
  readonly usage: Usage | undefined;
  readonly error: WireError | undefined;
}

export interface OpenStream {
  /** Of choice 0, so far. */
  text(): string;
  /** Never rejects. */
  readonly ended: Promise<StreamEnd>;
  /** Drops the connection. */
  abort(): void;
}

interface StreamState {
  text: string;
  status: number | undefined;
  finishReason: string | null;
  usage: Usage | undefined;
  error: WireError | undefined;
  isComplete: boolean;
}

/** Asks for a stream and reads it as it comes. */
export function openStream(url: string, body: Body): OpenStream {
  const controller = new AbortController();
  const state: StreamState = {
    text: '',
    status: undefined,
    finishReason: null,
    usage: undefined,
    error: undefined,
    isComplete: false,
  };
  const ended = read(url, { ...body, stream: true }, { state, signal: controller.signal }).then(
    () => endOf(state),
    () => endOf(state),
  );
  return { text: () => state.text, ended, abort: () => controller.abort() };
}

function endOf({ isComplete, ...state }: StreamState): StreamEnd {
  return { ...state, kind: isComplete ? 'complete' : state.error === undefined ? 'broken' : 'error' };
}

async function read(
  url: string,
  body: Body,
  { state, signal }: { readonly state: StreamState; readonly signal: AbortSignal },
): Promise<void> {
  const response = await post(url, body, signal);
  state.status = response.status;
  if (response.status !== 200 || response.body === null) {
    state.error = answerSchema.parse(await response.json()).error;
    return;
  }
  let unfinished = '';
  for await (const piece of response.body.pipeThrough(new TextDecoderStream())) {
    const events = (unfinished + piece).split('\n\n');
    unfinished = events.pop() ?? '';
    for (const event of events) takeEvent(state, event);
  }
}

function takeEvent(state: StreamState, event: string): void {
  if (!event.startsWith('data: ')) return;
  const payload = event.slice('data: '.length);
  if (payload === '[DONE]') {
    state.isComplete = true;
    return;
  }
  const { choices, usage, error } = answerSchema.parse(JSON.parse(payload));
  state.error = error ?? state.error;
  state.usage = usage ?? state.usage;
  for (const choice of choices) {
    if (choice.index !== 0) continue;
    state.text += choice.text;
    state.finishReason = choice.finish_reason ?? state.finishReason;
  }
}
