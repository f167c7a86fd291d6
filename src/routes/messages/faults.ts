// Rules that join two fields of a Messages body, and fields that are not supported.

import type { Fault } from '../faults.ts';
import { unsupportedFaults, unsupportedInMessages } from '../unsupported.ts';
import type { CountRequest, MessagesRequest } from './schema.ts';
import { toolFaults } from './tools.ts';
import { callFaults, prefillFaults } from './turns.ts';

/** Faults of a body outside its schema. */
export function otherFaults(body: unknown): Fault[] {
  return unsupportedFaults(body, unsupportedInMessages);
}

/** Faults between the fields of a conversation. */
export function conversationFaults(fields: CountRequest): Fault[] {
  return [...toolFaults(fields), ...callFaults(fields.messages), ...prefillFaults(fields.messages)];
}

/** Faults between fields that are about the answer. */
export function answerFaults(fields: MessagesRequest): Fault[] {
  return [...budgetFaults(fields), ...(fields.messages.at(-1)?.role === 'assistant' ? goingOnFaults(fields) : [])];
}

function budgetFaults({ max_tokens: most, thinking }: MessagesRequest): Fault[] {
  if (thinking?.type !== 'enabled' || thinking.budget_tokens < most) return [];
  const rule = `must be < max_tokens (${most})`;
  return [{ path: ['thinking', 'budget_tokens'], rule, given: thinking.budget_tokens }];
}

/** An answer that goes on from given words is past its thinking, and no grammar knows what they begin. */
function goingOnFaults({
  thinking,
  output_config: output,
  output_format: old,
  tool_choice: chosen,
}: MessagesRequest): Fault[] {
  const rule = "is not allowed where the last turn is the assistant's, which the answer goes on from";
  const faults: Fault[] = [];
  if (thinking && thinking.type !== 'disabled') {
    faults.push({ path: ['thinking', 'type'], rule, given: thinking.type });
  }
  if (output?.format) faults.push({ path: ['output_config', 'format'], rule, given: output.format });
  if (old) faults.push({ path: ['output_format'], rule, given: old });
  if (chosen?.type === 'any' || chosen?.type === 'tool') {
    faults.push({ path: ['tool_choice', 'type'], rule, given: chosen.type });
  }
  return faults;
}
