// Tools told in words, for models whose template shows none: a system message lists them, past calls and their results
// become plain turns.

import type { ChatMessage, ChatToolCall } from '../text-ports.ts';

const words = `You may call tools. These are the tools, as JSON:
TOOLS

To call a tool, answer with nothing but a JSON object {"name": "<tool>", "arguments": {<arguments>}}; for several calls, with a JSON list of such objects. Answer in plain words when no tool is needed.`;

/** The same conversation for a template that knows neither tools, calls nor results. */
export function withToolsPrompt(messages: readonly ChatMessage[], tools: readonly unknown[]): ChatMessage[] {
  const plain = messages.map(plainMessage);
  if (tools.length === 0) return plain;
  const prompt = words.replace('TOOLS', () => tools.map((tool) => JSON.stringify(tool)).join('\n'));
  const [first, ...others] = plain;
  if (first?.role !== 'system') return [{ role: 'system', content: prompt }, ...plain];
  return [{ ...first, content: `${first.content}\n\n${prompt}` }, ...others];
}

function plainMessage(message: ChatMessage): ChatMessage {
  const { role, content, toolCalls } = message;
  if (role === 'tool') return { role: 'user', content: `Result of the tool ${message.name ?? 'called'}:\n${content}` };
  if (toolCalls === undefined || toolCalls.length === 0) return message;
  const calls = toolCalls.map(callText);
  const text = calls.length === 1 ? calls.join('') : `[${calls.join(', ')}]`;
  return { role, content: content === '' ? text : `${content}\n${text}` };
}

function callText({ name, argumentsText }: ChatToolCall): string {
  return `{"name": ${JSON.stringify(name)}, "arguments": ${argumentsText}}`;
}
