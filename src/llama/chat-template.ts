// Renders a conversation by the template inside the model file.
// Why @huggingface/jinja: templates are Jinja programs with loops, filters and macros; llama.cpp's C API only knows a list.
// Every failure is the model's or the request's, so it becomes a chat_template_failed error with the template's own words.

import { Template } from '@huggingface/jinja';
import { OctetError, octetError } from '../errors.ts';
import type { ChatTemplate } from '../text-ports.ts';
import type { LlamaModel } from './model.ts';
import { probeTraits, type TemplateMessage, templateMessage } from './template-traits.ts';

/** The source of the template in the model's file, or null. */
export function chatTemplateSource({ libraries, pointer }: LlamaModel): string | null {
  return libraries.native.llama_model_chat_template(pointer, null);
}

/** Compiles the model's template once; a model without one gives a template that refuses every conversation. */
export function createChatTemplate(model: LlamaModel): ChatTemplate {
  const { native } = model.libraries;
  const source = chatTemplateSource(model);
  if (source === null) return refusing('the model has no chat template; use /v1/completions');
  const text = (token: number) => (token < 0 ? '' : (native.llama_vocab_get_text(model.vocabulary, token) ?? ''));
  return compileChatTemplate(source, {
    bos_token: text(native.llama_vocab_bos(model.vocabulary)),
    eos_token: text(native.llama_vocab_eos(model.vocabulary)),
  });
}

/** Compiles a template's source; `variables` are what it sees besides the messages. */
export function compileChatTemplate(source: string, variables: Readonly<Record<string, unknown>>): ChatTemplate {
  let template: Template;
  try {
    template = new Template(source);
  } catch (error) {
    return refusing(`the model's chat template cannot be compiled: ${words(error)}`);
  }
  const renderMessages = (
    messages: readonly TemplateMessage[],
    tools: readonly unknown[] | undefined,
    more: Readonly<Record<string, unknown>>,
  ): string =>
    template.render({
      ...variables,
      ...more,
      messages: [...messages],
      // Templates test whether there are any: an empty list would print an empty heading.
      ...(tools === undefined || tools.length === 0 ? {} : { tools }),
    });
  const traits = probeTraits((messages, tools) => renderMessages(messages, tools, { add_generation_prompt: false }));
  return {
    showsTools: traits.showsTools,
    render(messages, { addGenerationPrompt, tools, variables: more }) {
      try {
        const seen = messages.map((message) => templateMessage(message, traits));
        return renderMessages(seen, tools, { ...more, add_generation_prompt: addGenerationPrompt });
      } catch (error) {
        throw new OctetError(
          octetError(
            'chat_template_failed',
            `the model's chat template refused the messages: ${words(error)}`,
            'messages',
          ),
        );
      }
    },
  };
}

function refusing(reason: string): ChatTemplate {
  return {
    showsTools: false,
    render() {
      throw new OctetError(octetError('chat_template_failed', reason, 'messages'));
    },
  };
}

function words(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
