// The field `input` of a response's body, as the API's document tells it.
// Why apart from how it is read: that takes items one by one, so that faults name the field that is wrong.

import { z } from 'zod';

/** Of an input, and of the conversation that it goes on with. */
export const itemCountMax = 4096;
export const partCountMax = 1024;

const text = z.string();
const idText = z.string().min(1).max(256);
const head = {
  id: idText.nullish(),
  status: z.enum(['in_progress', 'completed', 'incomplete']).nullish(),
};
const list = <T extends z.ZodType>(entry: T) => z.array(entry).max(partCountMax);
const part = z.union([
  z.object({ type: z.enum(['input_text', 'output_text']), text }),
  z.object({ type: z.literal('refusal'), refusal: text }),
]);
const textOrParts = z.union([text, list(part)]);

const item = z.union([
  z.object({
    ...head,
    type: z.literal('message').nullish(),
    role: z.enum(['user', 'assistant', 'system', 'developer']),
    content: textOrParts,
  }),
  z.object({ ...head, type: z.literal('function_call'), call_id: idText, name: idText, arguments: text }),
  z.object({ ...head, type: z.literal('function_call_output'), call_id: idText, output: textOrParts }),
  z.object({
    ...head,
    type: z.literal('reasoning'),
    summary: list(z.object({ text })).nullish(),
    content: list(z.object({ text })).nullish(),
    encrypted_content: text.nullish().describe('As it was answered.'),
  }),
  z.object({ type: z.literal('item_reference').nullish(), id: idText }),
]);

/** May be left out where a previous response is gone on with as it is. */
export const inputShape = z.union([text, z.array(item).max(itemCountMax), z.null()]);
