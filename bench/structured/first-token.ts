// Time to the first token of chat answers: free, under a grammar that the server has compiled, and under one it has never seen.
// Why in turn and one at a time: what is compared is the wait of a lone request, and what drifts meanwhile falls on all three.

import { createAgent, send } from '../load/client.ts';
import type { Target } from '../load/types.ts';
import { requestBody } from '../load/wire.ts';

export const formats = ['free', 'kept grammar', 'new grammar'] as const;
export type Format = (typeof formats)[number];

export interface FirstTokenOptions {
  readonly target: Target;
  readonly schema: object;
  readonly repeats: number;
  /** Makes schemas and prompts that no server has seen. */
  readonly salt: string;
}

const outputTokens = 16;
const timeoutMs = 60_000;

/** Milliseconds to the first token, by format. Throws an Error when the server fails a request. */
export async function measureFirstTokens(options: FirstTokenOptions): Promise<ReadonlyMap<Format, readonly number[]>> {
  const { target, repeats } = options;
  const agent = createAgent(target, true);
  const times = new Map<Format, number[]>(formats.map((format) => [format, []]));
  try {
    // The first round pays for connections and threads, and has the grammar compiled that is kept.
    for (let repeat = -1; repeat < repeats; repeat++) {
      for (const format of formats) {
        const answer = await send(target, bodyFor(format, repeat, options), {
          agent,
          timeoutMs,
          originMs: performance.now(),
        });
        if (answer.outcome.kind === 'failed') throw new Error(`${format}: ${answer.outcome.message}`);
        const first = answer.tokenTimesMs[0];
        if (repeat >= 0 && first !== undefined) times.get(format)?.push(first - answer.startedMs);
      }
    }
  } finally {
    agent.destroy();
  }
  return times;
}

function bodyFor(format: Format, repeat: number, { target, schema, salt }: FirstTokenOptions): string {
  const text = `List some people. (${salt}, ${format}, ${repeat})`;
  const fresh = { type: 'object', properties: { [`answer_${salt}_${repeat}`]: schema }, additionalProperties: false };
  return requestBody(
    'chat',
    { kind: 'turns', turns: [{ role: 'user', text }] },
    {
      model: target.model,
      outputTokens,
      temperature: 0,
      topP: 1,
      schema: format === 'free' ? undefined : format === 'kept grammar' ? schema : fresh,
    },
  );
}
