// The events of a streamed answer's items: each is added, grows part by part, and is told whole when it is done.
// Source: OpenAI's ResponseStreamEvent.

import { must } from '../../assert.ts';
import { type Block, type BlockSpelling, createBlockWriter } from '../answer-blocks.ts';
import type { StreamPiece } from '../answer-format.ts';
import { deltaStartOf, type EventWriter } from './event-writer.ts';
import type { ItemStatus, OutputItem } from './items.ts';
import { type ItemOptions, itemIdOf, outputItem } from './output-items.ts';

export interface ItemEvents {
  /** `logprobs`: of the text's tokens; empty where none were asked for. */
  text(added: string, logprobs: readonly object[]): string;
  piece(piece: StreamPiece): string;
  /** Closes the item that is open, which becomes `status`. An answer without a word gets an empty message. */
  finish(status: ItemStatus): string;
  /** Closes the item that is open as incomplete. */
  cut(): string;
  /** Items that are over. A call that broke is none: its text follows in a message. */
  readonly output: readonly OutputItem[];
}

export function createItemEvents(writer: EventWriter, options: ItemOptions): ItemEvents {
  const output: OutputItem[] = [];
  let open: OpenItem | undefined;
  let newLogprobs: readonly object[] = [];
  let closingStatus: ItemStatus = 'completed';

  const spelling: BlockSpelling = {
    opened(block) {
      open = openItem(block);
      const begun = { text: '', logprobs: [], status: 'in_progress' as const, ...options };
      const item = outputItem(open.id, block.head, begun);
      const added = writer.event('response.output_item.added', { output_index: block.place, item });
      return (
        added + (block.head.kind === 'call' ? '' : writer.event('response.content_part.added', partOf(block, open)))
      );
    },
    grown(block, added) {
      const { deltaStart, logprobs } = must(open, 'an item is open');
      const scores = newLogprobs;
      newLogprobs = [];
      if (block.head.kind !== 'content') return writer.delta(deltaStart, added, undefined);
      if (scores.length > 0) logprobs.push(...scores);
      return writer.delta(deltaStart, added, scores);
    },
    closed(block, outcome) {
      const closing = must(open, 'an item is open');
      open = undefined;
      const status = outcome === 'broken' ? 'incomplete' : closingStatus;
      const { id, logprobs } = closing;
      const item = outputItem(id, block.head, { text: block.text, logprobs, status, ...options });
      if (outcome === 'whole') output.push(item);
      const done = writer.event(`${eventNames[block.head.kind]}.done`, wholeOf(block, closing));
      const part = block.head.kind === 'call' ? '' : writer.event('response.content_part.done', partOf(block, closing));
      return done + part + writer.event('response.output_item.done', { output_index: block.place, item });
    },
  };
  const blocks = createBlockWriter(spelling);
  const end = (status: ItemStatus): string => {
    closingStatus = status;
    return blocks.end();
  };
  return {
    text(added, logprobs) {
      newLogprobs = logprobs;
      return blocks.text(added);
    },
    piece: blocks.piece,
    finish(status) {
      const events = end(status);
      return output.length > 0 ? events : events + spelling.opened(wordless) + spelling.closed(wordless, 'whole');
    },
    cut: () => end('incomplete'),
    output,
  };
}

interface OpenItem {
  readonly id: string;
  /** Where its events say that they belong. */
  readonly place: object;
  readonly deltaStart: string;
  /** Of its text so far. */
  readonly logprobs: object[];
}

const wordless: Block = { place: 0, head: { kind: 'content' }, text: '' };

const eventNames = {
  content: 'response.output_text',
  reasoning: 'response.reasoning_text',
  call: 'response.function_call_arguments',
} as const;

function openItem({ place, head }: Block): OpenItem {
  const id = itemIdOf(head);
  const at = { item_id: id, output_index: place, ...(head.kind === 'call' ? {} : { content_index: 0 }) };
  return { id, place: at, deltaStart: deltaStartOf(`${eventNames[head.kind]}.delta`, at), logprobs: [] };
}

function partOf({ head, text }: Block, { place, logprobs }: OpenItem): object {
  const part =
    head.kind === 'reasoning'
      ? { type: 'reasoning_text', text }
      : { type: 'output_text', annotations: [], logprobs, text };
  return { ...place, part };
}

function wholeOf({ head, text }: Block, { place, logprobs }: OpenItem): object {
  if (head.kind === 'call') return { ...place, name: head.name, arguments: text };
  return head.kind === 'reasoning' ? { ...place, text } : { ...place, text, logprobs };
}
