// OpenAI's own client on a server of a test.

import OpenAI from 'openai';

/** Without retries: a test sees the first answer. */
export function openClient(url: string, apiKey = 'none'): OpenAI {
  return new OpenAI({ baseURL: `${url}/v1`, apiKey, maxRetries: 0 });
}
