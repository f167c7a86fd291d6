// A request for a response once it is understood.

import type { ChatRequest } from '../chat-schema.ts';
import type { Item } from './items.ts';
import type { ResponsesFields } from './request-schema.ts';

export interface AskedResponse {
  readonly fields: ResponsesFields;
  /** The whole conversation, references resolved: earlier responses, then the request's own input. */
  readonly items: readonly Item[];
}

/** The same as a chat asks it, and what was asked. */
export type ResponsesRequest = ChatRequest & { readonly asked: AskedResponse };
