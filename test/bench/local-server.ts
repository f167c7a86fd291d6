// A scripted server on 127.0.0.1 that speaks just enough of the OpenAI API to test the driver's side of it.
// Why scripted: the tests need answers that a real server gives only by accident, such as a stream that is cut off.

import { once } from 'node:events';
import http from 'node:http';
import type { Target } from '../../bench/load/types.ts';

export interface Call {
  readonly body: string;
  readonly headers: http.IncomingHttpHeaders;
  readonly request: http.IncomingMessage;
  readonly response: http.ServerResponse;
  /** 1 for the first POST of the server, and so on. */
  readonly number: number;
}

export interface LocalServer extends AsyncDisposable {
  readonly target: Target;
  readonly bodies: string[];
}

/** Starts a server whose POST requests are answered by `answer`; GET /v1/models lists the model "local". */
export async function startServer(answer: (call: Call) => void | Promise<void>): Promise<LocalServer> {
  const bodies: string[] = [];
  const server = http.createServer(async (request, response) => {
    if (request.method === 'GET') {
      response.setHeader('content-type', 'application/json');
      response.end(
        request.url === '/v1/models'
          ? '{"object":"list","data":[{"id":"local"}]}'
          : '{"octet":"1.2.3","llamaCpp":"v0"}',
      );
      return;
    }
    let body = '';
    request.setEncoding('utf8');
    for await (const piece of request) body += piece;
    bodies.push(body);
    await answer({ body, headers: request.headers, request, response, number: bodies.length });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('a TCP server has a port');
  return {
    target: {
      name: 'local',
      url: new URL(`http://127.0.0.1:${address.port}`),
      api: 'completions',
      model: 'local',
      key: '',
    },
    bodies,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

/** Streams `count` tokens of text and the usage, and ends properly. */
export async function streamTokens(
  call: Call,
  options: { readonly count: number; readonly everyMs?: number; readonly promptTokens?: number },
): Promise<void> {
  call.response.writeHead(200, { 'content-type': 'text/event-stream' });
  for (let index = 0; index < options.count; index++) {
    if (options.everyMs !== undefined) await new Promise((resolve) => setTimeout(resolve, options.everyMs));
    call.response.write(`data: {"choices":[{"index":0,"text":" w${index}"}]}\n\n`);
  }
  const usage = { prompt_tokens: options.promptTokens ?? 5, completion_tokens: options.count };
  call.response.end(`data: ${JSON.stringify({ choices: [], usage })}\n\ndata: [DONE]\n\n`);
}

/** How many words the prompt of a completions body has. */
export function wordCount(body: string): number {
  const { prompt } = JSON.parse(body);
  return String(prompt).split(' ').length;
}
