// The embedded model's tool probes, asked through the HTTP API as a client would: past calls as tool_calls, results as the
// role tool. A call is right when names and arguments are equal; an answer in words when it is the same text.

import type OpenAI from 'openai';
import { z } from 'zod';

const argumentsSchema = z.record(z.string(), z.unknown());
const probeSchema = z.object({
  task: z.enum(['tool_call', 'tool_none', 'tool_answer']),
  messages: z.array(z.object({ role: z.enum(['system', 'user', 'assistant', 'tool']), content: z.string() })),
  answer: z.string(),
  tools: z.array(
    z.object({
      type: z.literal('function'),
      function: z.object({ name: z.string(), description: z.string(), parameters: z.record(z.string(), z.unknown()) }),
    }),
  ),
});
export type ToolProbe = z.infer<typeof probeSchema>;
type Turn = OpenAI.ChatCompletionMessageParam;

export function readProbes(lines: string): ToolProbe[] {
  return lines
    .trim()
    .split('\n')
    .map((line) => probeSchema.parse(JSON.parse(line)));
}

/** The calls that a text in Hermes format holds. */
function callsIn(text: string): { name: string; arguments: Record<string, unknown> }[] {
  return [...text.matchAll(/<tool_call>\s*(\{.*?\})\s*<\/tool_call>/gs)].map(([, json]) =>
    z.object({ name: z.string(), arguments: argumentsSchema }).parse(JSON.parse(json ?? '')),
  );
}

function turnsOf({ messages }: ToolProbe): Turn[] {
  let lastId = '';
  return messages.map(({ role, content }, index): Turn => {
    if (role === 'tool') return { role, content, tool_call_id: lastId };
    const calls = role === 'assistant' ? callsIn(content) : [];
    if (calls.length === 0) return { role: role === 'assistant' ? 'assistant' : role, content };
    const toolCalls = calls.map((call, at) => {
      lastId = `call_${index}_${at}`;
      // As the model writes JSON: a space behind colons and commas.
      const text = JSON.stringify(call.arguments, null, 1)
        .replace(/\n\s*/g, ' ')
        .replace(/^\{ /, '{')
        .replace(/ \}$/, '}');
      return { id: lastId, type: 'function' as const, function: { name: call.name, arguments: text } };
    });
    return { role: 'assistant', content: null, tool_calls: toolCalls };
  });
}

/** Whether the served model answers a probe rightly. */
export async function isRight(client: OpenAI, model: string, probe: ToolProbe): Promise<boolean> {
  const answer = await client.chat.completions.create({
    model,
    messages: turnsOf(probe),
    tools: probe.tools,
    temperature: 0,
  });
  const choice = answer.choices[0];
  const wanted = callsIn(probe.answer);
  if (wanted.length === 0) return choice?.message.content?.trim() === probe.answer.trim();
  const made = (choice?.message.tool_calls ?? []).flatMap((call) =>
    call.type === 'function'
      ? [{ name: call.function.name, arguments: argumentsSchema.parse(JSON.parse(call.function.arguments)) }]
      : [],
  );
  return choice?.finish_reason === 'tool_calls' && sorted(made) === sorted(wanted);
}

/** JSON with the keys of every object in order. */
function sorted(value: unknown): string {
  return JSON.stringify(value, (_, entry: unknown) =>
    typeof entry === 'object' && entry !== null && !Array.isArray(entry)
      ? Object.fromEntries(Object.entries(entry).sort(([a], [b]) => (a < b ? -1 : 1)))
      : entry,
  );
}
