// Opens many event-stream requests at once and keeps them open: the crowd that waits while something else is measured.
// Why opened in waves: thousands of connections in one instant overflow the listen queue and measure the kernel's retries.

import http from 'node:http';
import { headersOf } from './load/client.ts';
import { makeWords } from './load/prompts.ts';
import type { Target } from './load/types.ts';
import { hasText, pathOf, requestBody } from './load/wire.ts';

/** What became of the crowd's connections; they add up to the number opened. */
export interface CrowdCounts {
  /** Sent, and no text yet: queued, or its prompt being read. */
  readonly waiting: number;
  readonly streaming: number;
  readonly ended: number;
  /** Answered with another status than 200. */
  readonly refused: number;
  /** The connection failed. */
  readonly broken: number;
  readonly firstRefusal: string | undefined;
}

export interface Crowd {
  counts(): CrowdCounts;
  /** Drops all connections. */
  close(): void;
}

type State = 'waiting' | 'streaming' | 'ended' | 'refused' | 'broken';

interface Member {
  state: State;
  refusal: string | undefined;
  readonly request: http.ClientRequest;
}

/** Opens `count` streaming requests over as many connections, and resolves when each has been sent or has failed. */
export async function openCrowd(
  target: Target,
  options: { readonly count: number; readonly outputTokens: number },
): Promise<Crowd> {
  const agent = new http.Agent({ keepAlive: false, maxSockets: Number.POSITIVE_INFINITY });
  const members: Member[] = [];
  for (let first = 0; first < options.count; first += waveSize) {
    const wave = Array.from({ length: Math.min(waveSize, options.count - first) }, (_, index) =>
      openMember(target, agent, { seed: first + index, outputTokens: options.outputTokens }),
    );
    members.push(...wave.map(({ member }) => member));
    await Promise.all(wave.map(({ sent }) => sent));
  }
  const count = (state: State): number => members.filter((member) => member.state === state).length;
  return {
    counts: () => ({
      waiting: count('waiting'),
      streaming: count('streaming'),
      ended: count('ended'),
      refused: count('refused'),
      broken: count('broken'),
      firstRefusal: members.find((member) => member.refusal !== undefined)?.refusal,
    }),
    close: () => {
      for (const member of members) member.request.destroy();
      agent.destroy();
    },
  };
}

const waveSize = 100;

function openMember(
  target: Target,
  agent: http.Agent,
  options: { readonly seed: number; readonly outputTokens: number },
): { readonly member: Member; readonly sent: Promise<void> } {
  const prompt = { kind: 'turns', turns: [{ role: 'user', text: makeWords(options.seed, 8) }] } as const;
  const body = requestBody(target.api, prompt, { ...options, model: target.model, temperature: 0, topP: 1 });
  const request = http.request({
    method: 'POST',
    hostname: target.url.hostname,
    port: target.url.port,
    path: target.url.pathname.replace(/\/$/, '') + pathOf(target.api),
    headers: headersOf(target),
    agent,
  });
  const member: Member = { state: 'waiting', refusal: undefined, request };
  const sent = new Promise<void>((resolve) => {
    request.on('finish', resolve);
    request.on('error', (error) => {
      member.state = 'broken';
      member.refusal ??= error.message;
      resolve();
    });
  });
  request.on('response', (response) => watch(response, member));
  request.end(body);
  return { member, sent };
}

function watch(response: http.IncomingMessage, member: Member): void {
  response.setEncoding('utf8');
  response.on('error', () => {
    member.state = 'broken';
  });
  response.on('data', (piece: string) => {
    if (response.statusCode !== 200) {
      member.state = 'refused';
      member.refusal ??= `${response.statusCode}: ${piece.slice(0, 200)}`;
    } else if (hasText(piece)) member.state = 'streaming';
  });
  response.on('end', () => {
    if (member.state !== 'refused') member.state = 'ended';
  });
}
