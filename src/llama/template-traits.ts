// What a chat template expects of tools and of turns that call them, found out by rendering a small conversation.
// Why probed: there is no standard. Some templates print arguments as they are and need text, some print them as JSON and
// need a value, some iterate over them; some ask whether the content is null, some add to it; some know no tools at all.

import type { ChatMessage } from '../text-ports.ts';

export interface TemplateTraits {
  /** Whether tools are shown at all. */
  readonly showsTools: boolean;
  /** `text` where the arguments' own text stands in the prompt as it is: past calls then cost no new tokens. */
  readonly argumentsAs: 'text' | 'value';
  readonly emptyContentAs: 'null' | 'text';
}

/** Messages as templates see them. */
export type TemplateMessage = Readonly<Record<string, unknown>>;

type Render = (messages: readonly TemplateMessage[], tools: readonly unknown[] | undefined) => string;

const probe = { tool: 'probe_tool', key: 'probe_key', value: 'probe_value' };
const probeTool = {
  type: 'function',
  function: {
    name: probe.tool,
    description: 'A probe.',
    parameters: { type: 'object', properties: { [probe.key]: { type: 'string' } }, required: [probe.key] },
  },
};
const question: ChatMessage = { role: 'user', content: 'x' };
const argumentsText = `{"${probe.key}": "${probe.value}"}`;
const calling: ChatMessage = {
  role: 'assistant',
  content: '',
  // Nine letters and digits: Mistral's templates refuse other ids.
  toolCalls: [{ id: 'probecall', name: probe.tool, argumentsText, arguments: { [probe.key]: probe.value } }],
};

/** Finds the traits by rendering; a template that refuses everything has those of the plainest one. */
export function probeTraits(render: Render): TemplateTraits {
  const attempt = (messages: readonly TemplateMessage[]): string => {
    try {
      return render(messages, [probeTool]);
    } catch {
      return '';
    }
  };
  const plain: TemplateTraits = { showsTools: false, argumentsAs: 'value', emptyContentAs: 'text' };
  const showsTools = attempt([templateMessage(question, plain)]).includes(probe.tool);
  for (const traits of candidates(showsTools)) {
    const text = attempt([templateMessage(question, traits), templateMessage(calling, traits)]);
    if (fits(text, traits)) return traits;
  }
  return { ...plain, showsTools };
}

function candidates(showsTools: boolean): TemplateTraits[] {
  return (['text', 'value'] as const).flatMap((argumentsAs) =>
    (['text', 'null'] as const).map((emptyContentAs) => ({ showsTools, argumentsAs, emptyContentAs })),
  );
}

/** Whether the call's name and arguments are in the prompt; arguments as text must stand there unescaped. */
function fits(text: string, { argumentsAs }: TemplateTraits): boolean {
  // The tool's definition, which comes before, has the name and the key too.
  const call = text.slice(text.lastIndexOf(probe.tool));
  if (argumentsAs === 'text') return call.includes(argumentsText);
  return call.includes(probe.key) && call.includes(probe.value) && !call.includes('\\"');
}

/** A message as a template with these traits wants it. */
export function templateMessage(message: ChatMessage, traits: TemplateTraits): TemplateMessage {
  const { role, content, name, toolCalls, toolCallId, reasoning } = message;
  const isEmpty = content === '' && toolCalls !== undefined;
  return {
    role,
    content: isEmpty && traits.emptyContentAs === 'null' ? null : content,
    ...(name === undefined ? {} : { name }),
    ...(toolCallId === undefined ? {} : { tool_call_id: toolCallId }),
    ...(toolCalls === undefined || toolCalls.length === 0
      ? {}
      : {
          tool_calls: toolCalls.map((call) => ({
            id: call.id,
            type: 'function',
            function: {
              name: call.name,
              arguments: traits.argumentsAs === 'text' ? call.argumentsText : call.arguments,
            },
          })),
        }),
    // gpt-oss calls it thinking, and takes it only beside an empty content.
    ...(reasoning === undefined
      ? {}
      : { reasoning_content: reasoning, ...(content === '' ? { thinking: reasoning } : {}) }),
  };
}
