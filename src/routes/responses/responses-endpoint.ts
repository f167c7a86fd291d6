// POST /v1/responses: the body is mapped to that of a chat, its conversation taken from the store where it goes on with one.

import type { ChatParts } from '../chat-part.ts';
import type { RouteDependencies } from '../dependencies.ts';
import type { Endpoint } from '../endpoint.ts';
import { checkBody } from '../request-body.ts';
import type { ResponsesRequest } from './asked-response.ts';
import { conversationOf } from './conversation.ts';
import { fittingPrompt } from './fitting-prompt.ts';
import { chatRequestOf, otherResponsesFaults, responsesFieldFaults, responsesSchema } from './request-schema.ts';
import { resolveInput } from './resolve-input.ts';
import { responseFormat } from './response-format.ts';

const fieldNames = {
  toolSchema: (index: number) => ['tools', index, 'parameters'],
  responseFormat: 'text.format',
};

/** The endpoint for requests of one owner. */
export type ResponsesEndpoint = (owner: string) => Endpoint<ResponsesRequest>;

export function createResponsesEndpoint(dependencies: RouteDependencies, chatParts: ChatParts): ResponsesEndpoint {
  const rules = {
    schema: responsesSchema,
    otherFaults: otherResponsesFaults,
    fieldFaults: responsesFieldFaults,
    vocabularySize: dependencies.tokenizer.vocabularySize,
  };
  const chatPart = chatParts(fieldNames);
  const { engine, responses: store } = dependencies;

  return (owner) => ({
    check(body) {
      const fields = checkBody(body, rules);
      if (fields.kind === 'refused') return fields;
      const asked = resolveInput(fields.value, { store, owner, nowMs: performance.now() });
      if (asked.kind === 'refused') return asked;
      const turns = conversationOf(asked.value.items, fields.value.instructions || undefined);
      return { kind: 'valid', value: { ...chatRequestOf(fields.value, turns), asked: asked.value } };
    },
    async promptsOf(request) {
      const part = await fittingPrompt(request, { chatPart, contextTokensMax: engine.capacity()?.contextTokensMax });
      return part.kind === 'refused' ? part : { kind: 'valid', value: { ...part.value, promptField: 'input' } };
    },
    formatOf: ({ asked }, facts) =>
      responseFormat(asked, facts, (id, body, output) => {
        if (asked.fields.store === false) return;
        const { items } = asked;
        store.keep({ id, owner, body, items: [...items, ...output], inputCount: items.length }, performance.now());
      }),
  });
}
