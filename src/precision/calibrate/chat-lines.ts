// Chat files: JSON lines of conversations, or of plain texts.
// Why other fields of a message are kept: templates read them (tool calls, a reasoning part), and they belong to the text.

import { z } from 'zod';
import { type ParsedItems, parseJsonLines } from '../evaluate/tasks/files/lines.ts';

const textPart = z.object({ type: z.literal('text'), text: z.string() });

const content = z
  .union([z.string(), z.array(textPart), z.null()], { error: 'must be text, or a list of text parts' })
  .transform((given) => (typeof given === 'string' ? given : (given ?? []).map(({ text }) => text).join('')));

const message = z.looseObject({ role: z.string().min(1), content });

const itemSchema = z
  .looseObject({
    messages: z.array(message).min(1).optional(),
    tools: z.array(z.unknown()).optional(),
    text: z.string().min(1).optional(),
  })
  .refine(({ messages, text }) => (messages === undefined) !== (text === undefined), {
    message: 'must have either messages or text',
  });

export type ChatLine = z.infer<typeof itemSchema> & { readonly line: number };

/** Parses `{"messages": [{"role", "content"}, ...], "tools": [...]}` or `{"text"}`, one a line; every broken line is named. */
export function parseChatLines(text: string): ParsedItems<ChatLine> {
  return parseJsonLines(text, itemSchema);
}
