// The server that node-llama-cpp's own classes make with as little as can be: a sequence of one LlamaContext for each request,
// whose own batching computes them together. It is a peer to measure against, and what an application would write itself.
// A sequence keeps what it holds, so that a prompt that begins alike is not computed again there.

import Fastify, { type FastifyInstance, type FastifyReply } from 'fastify';
import type { LlamaContextSequence, LlamaModel, SequenceEvaluateOptions, Token } from 'node-llama-cpp';
import { z } from 'zod';
import type { LentSequences } from './sequences.ts';

export interface MinimalServerParts {
  readonly model: LlamaModel;
  readonly sequences: LentSequences;
  /** Longest sequence, prompt and output together, in tokens. */
  readonly contextTokens: number;
}

const bodySchema = z.object({
  prompt: z.union([z.string(), z.array(z.int().nonnegative())]),
  max_tokens: z.int().min(1).default(16),
  temperature: z.number().min(0).default(0),
  top_p: z.number().min(0).max(1).default(1),
  top_k: z.int().min(0).default(0),
  min_p: z.number().min(0).max(1).default(0),
  stream: z.boolean().default(false),
});
type Body = z.output<typeof bodySchema>;

/** `/v1/models` and `/v1/completions`, streamed or not. Not yet listening. */
export function createMinimalServer(parts: MinimalServerParts): FastifyInstance {
  const app = Fastify({ logger: false });
  app.get('/v1/models', () => ({ object: 'list', data: [{ id: 'minimal', object: 'model' }] }));
  app.post('/v1/completions', async (request, reply) => {
    const parsed = bodySchema.safeParse(request.body);
    if (!parsed.success) return refuse(reply, z.prettifyError(parsed.error));
    const body = parsed.data;
    const prompt = promptTokens(parts.model, body.prompt);
    const limit = `max_tokens and prompt together must be at most ${parts.contextTokens}`;
    if (prompt.length === 0 || prompt.length + body.max_tokens > parts.contextTokens)
      return refuse(reply, `${limit}, and the prompt not empty. Given: ${body.max_tokens} and ${prompt.length}`);
    return answer(parts, { body, prompt }, reply);
  });
  return app;
}

function refuse(reply: FastifyReply, message: string): FastifyReply {
  return reply.status(400).send({ error: { message, type: 'invalid_request_error' } });
}

function promptTokens(model: LlamaModel, prompt: Body['prompt']): Token[] {
  const tokens = typeof prompt === 'string' ? model.tokenize(prompt) : prompt.map(asToken);
  const { bos, shouldPrependBosToken } = model.tokens;
  return typeof prompt === 'string' && shouldPrependBosToken && bos !== null ? [bos, ...tokens] : tokens;
}

interface Asked {
  readonly body: Body;
  readonly prompt: readonly Token[];
}

async function answer(parts: MinimalServerParts, asked: Asked, reply: FastifyReply): Promise<FastifyReply> {
  const { body, prompt } = asked;
  const usage = { prompt_tokens: prompt.length, completion_tokens: 0 };
  const closed = () => reply.raw.destroyed;
  let text = '';
  if (body.stream) {
    reply.hijack();
    reply.raw.writeHead(200, { 'content-type': 'text/event-stream' });
  }
  const sequence = await parts.sequences.take();
  try {
    for await (const piece of generate(parts.model, sequence, asked)) {
      usage.completion_tokens += 1;
      if (body.stream) reply.raw.write(event({ choices: [{ index: 0, text: piece, finish_reason: null }] }));
      else text += piece;
      if (usage.completion_tokens >= body.max_tokens || closed()) break;
    }
  } catch (error) {
    // The head of a stream is sent already: who reads it must not wait for more.
    if (body.stream) reply.raw.destroy();
    throw error;
  } finally {
    parts.sequences.giveBack(sequence);
  }
  if (!body.stream) return reply.send({ choices: [{ index: 0, text, finish_reason: 'length' }], usage });
  reply.raw.end(`${event({ choices: [], usage })}data: [DONE]\n\n`);
  return reply;
}

function event(payload: object): string {
  return `data: ${JSON.stringify({ object: 'text_completion', model: 'minimal', ...payload })}\n\n`;
}

/** Texts of the tokens that follow, end tokens included, without end. */
async function* generate(
  model: LlamaModel,
  sequence: LlamaContextSequence,
  { body, prompt }: Asked,
): AsyncGenerator<string, void> {
  // Its last token has to be computed in any case: its logits are drawn from.
  await sequence.adaptStateToTokens(prompt.slice(0, -1), false);
  const rest = prompt.slice(sequence.nextTokenIndex);
  const options: SequenceEvaluateOptions = {
    temperature: body.temperature,
    topP: body.top_p,
    topK: body.top_k,
    minP: body.min_p,
    yieldEogToken: true,
  };
  for await (const token of sequence.evaluate(rest, options)) yield model.detokenize([token]);
}

/** node-llama-cpp brands its token ids. */
function asToken(id: number): Token {
  return id as Token;
}
