// What a client would have after the last event of an answer.

import type { AnswerEvent } from '../../src/dialects/events.ts';

export interface Assembled {
  content: string;
  reasoning: string;
  readonly calls: { name: string; arguments: string; id?: string }[];
  broken: number;
}

export function assemble(events: readonly AnswerEvent[]): Assembled {
  const answer: Assembled = { content: '', reasoning: '', calls: [], broken: 0 };
  for (const event of events) {
    const last = answer.calls.at(-1);
    if (event.kind === 'content') answer.content += event.text;
    else if (event.kind === 'reasoning') answer.reasoning += event.text;
    else if (event.kind === 'call-started') {
      answer.calls.push({ name: event.name, arguments: '', ...(event.id === undefined ? {} : { id: event.id }) });
    } else if (event.kind === 'call-arguments' && last !== undefined) last.arguments += event.text;
    else if (event.kind === 'call-broken') {
      if (event.wasStarted) answer.calls.pop();
      answer.content += event.text;
      answer.broken += 1;
    }
  }
  return answer;
}

/** The events with neighbouring pieces of one text joined. */
export function joined(events: readonly AnswerEvent[]): AnswerEvent[] {
  const list: AnswerEvent[] = [];
  for (const event of events) {
    const last = list.at(-1);
    const isText = event.kind === 'content' || event.kind === 'reasoning' || event.kind === 'call-arguments';
    if (isText && last?.kind === event.kind) list[list.length - 1] = { kind: event.kind, text: last.text + event.text };
    else list.push(event);
  }
  return list;
}
