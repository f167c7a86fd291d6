// An answer's text to its events: reasoning is taken out first, the rest is read for calls, white space that belongs to
// the marks and not to the answer is dropped.
// Law: the events, with neighbours of one kind joined, are the same however the text is cut.

import type { AnswerEvent } from './events.ts';
import { createReader, needMore, passUntil, type Reader, type Reading } from './reading/reader.ts';
import { readReasoning } from './reasoning-formats.ts';
import { tidy } from './tidy.ts';
import type { CallFormat, ReasoningFormat, ToolSchemas } from './types.ts';

export interface AnswerParser {
  /** What `text`, the next piece, makes certain. */
  push(text: string): readonly AnswerEvent[];
  /** The rest, when no more text comes. */
  end(): readonly AnswerEvent[];
  /** Whether the next text is reasoning as far as is known. */
  readonly isReasoning: boolean;
}

export interface AnswerParserOptions {
  /** Undefined where the answer may hold no calls. */
  readonly calls: CallFormat | undefined;
  readonly reasoning: ReasoningFormat | undefined;
  readonly tools: ToolSchemas;
  /** Control tokens whose texts are among the pushed text. */
  readonly controlTexts: readonly string[];
  /** The prompt ends inside the reasoning. */
  readonly startsInside: boolean;
}

export function createAnswerParser(options: AnswerParserOptions): AnswerParser {
  const { calls, reasoning, tools, controlTexts } = options;
  const isChanneled = reasoning?.isChannel === true && calls?.name === reasoning.name;
  const rest = createDriver(
    createReader(controlTexts),
    (reader) => calls?.read(reader, tools) ?? passUntil(reader, []),
  );
  const neat = tidy();
  // Channels are read by the call format; without a reasoning format they are content like everything else.
  if (reasoning === undefined || isChanneled) {
    const shown = reasoning === undefined ? withoutReasoning : same;
    return {
      push: (text) => neat.push(shown(rest.push(text))),
      end: () => neat.end(shown(rest.end())),
      get isReasoning() {
        return isChanneled && rest.reader.isReasoning;
      },
    };
  }
  const first = createDriver(createReader(), (reader) => readReasoning(reader, reasoning, options.startsInside));
  first.reader.isReasoning = options.startsInside;
  const through = (events: readonly AnswerEvent[]): AnswerEvent[] =>
    events.flatMap((event) => (event.kind === 'content' ? rest.push(event.text) : [event]));
  return {
    push: (text) => neat.push(through(first.push(text))),
    end: () => neat.end([...through(first.end()), ...rest.end()]),
    get isReasoning() {
      return first.reader.isReasoning;
    },
  };
}

function same(events: readonly AnswerEvent[]): readonly AnswerEvent[] {
  return events;
}

function withoutReasoning(events: readonly AnswerEvent[]): readonly AnswerEvent[] {
  return events.map((event) => (event.kind === 'reasoning' ? { kind: 'content', text: event.text } : event));
}

interface Driver {
  readonly reader: Reader;
  push(text: string): AnswerEvent[];
  end(): AnswerEvent[];
}

/** Runs a generator as far as the text that has arrived allows. */
function createDriver(reader: Reader, read: (reader: Reader) => Reading<unknown>): Driver {
  let reading: Reading<unknown> | undefined;
  function run(): AnswerEvent[] {
    const events: AnswerEvent[] = [];
    reading ??= read(reader);
    for (let step = reading.next(); !step.done && step.value !== needMore; step = reading.next()) {
      if (step.value.kind !== 'need-more') events.push(step.value);
    }
    return events;
  }
  return {
    reader,
    push(text) {
      reader.rest += text;
      return run();
    },
    end() {
      reader.hasEnded = true;
      return run();
    },
  };
}
