// Drops the white space that only separates: around reasoning, in front of calls and between them. White space inside the
// content, or at its end where no call follows, is the model's answer and stays.

import { assertNever } from '../assert.ts';
import type { AnswerEvent } from './events.ts';

export interface Tidy {
  push(events: readonly AnswerEvent[]): AnswerEvent[];
  end(events: readonly AnswerEvent[]): AnswerEvent[];
}

interface TidyState {
  /** What stands directly before: after reasoning or a call white space is dropped until something else comes. */
  before: 'start' | 'content' | 'reasoning' | 'call';
  /** White space that is dropped if reasoning, or a call, follows or the text ends inside the reasoning. */
  held: string;
  /** White space dropped in front of the present call, in case the call breaks. */
  droppedBefore: string;
}

export function tidy(): Tidy {
  const state: TidyState = { before: 'start', held: '', droppedBefore: '' };
  const push = (events: readonly AnswerEvent[]): AnswerEvent[] => events.flatMap((event) => next(state, event));
  return {
    push,
    end(events) {
      const neat = push(events);
      if (state.before === 'content' && state.held !== '') neat.push({ kind: 'content', text: state.held });
      state.held = '';
      return neat;
    },
  };
}

function next(state: TidyState, event: AnswerEvent): AnswerEvent[] {
  switch (event.kind) {
    case 'content':
    case 'reasoning':
      return nextText(state, event.kind, event.text);
    case 'call-started':
      state.droppedBefore = state.before === 'content' ? state.held : '';
      state.held = '';
      state.before = 'call';
      return [event];
    case 'call-arguments':
    case 'call-finished':
      state.before = 'call';
      return [event];
    case 'call-broken': {
      const before = event.wasStarted ? state.droppedBefore : state.before === 'content' ? state.held : '';
      const text = before + event.text;
      state.held = '';
      state.before = 'content';
      return [{ ...event, text }];
    }
    default:
      return assertNever(event);
  }
}

function nextText(state: TidyState, kind: 'content' | 'reasoning', text: string): AnswerEvent[] {
  let rest = text;
  if (state.before !== kind && !(kind === 'content' && state.before === 'start')) {
    rest = text.trimStart();
    if (rest === '') return [];
    state.held = '';
  }
  const whole = state.held + rest;
  const shown = whole.trimEnd();
  state.held = whole.slice(shown.length);
  state.before = kind;
  return shown === '' ? [] : [{ kind, text: shown }];
}
