// The events of a streamed answer's items: each is added, grows part by part, and is told whole when it is done.
// Source: OpenAI's ResponseStreamEvent.

import { must } from '../../assert.ts';
import { type Block, type BlockSpelling, createBlockWriter } from '../answer-blocks.ts';
import type { StreamPiece } from '../answer-format.ts';
import type { ItemStatus, OutputItem } from './items.ts';
import { type ItemOptions, itemIdOf, outputItem } from './output-items.ts';

/** Frames one event and numbers it. */
export type WriteEvent = (type: string, fields: object) => string;

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

export function createItemEvents(write: WriteEvent, options: ItemOptions): ItemEvents {
  const output: OutputItem[] = [];
  let open: OpenItem | undefined;
  let newLogprobs: readonly object[] = [];
  let closingStatus: ItemStatus = 'completed';
  const openItem = (): OpenItem => must(open, 'an item is open');

  const spelling: BlockSpelling = {
    opened(block) {
      open = { id: itemIdOf(block.head), logprobs: [] };
      const item = outputItem(open.id, block.head, { text: '', logprobs: [], status: 'in_progress', ...options });
      const added = write('response.output_item.added', { output_index: block.place, item });
      return block.head.kind === 'call' ? added : added + write('response.content_part.added', partOf(block, open));
    },
    grown(block, delta) {
      const item = openItem();
      const isContent = block.head.kind === 'content';
      if (isContent) item.logprobs.push(...newLogprobs);
      const fields = { ...placeOf(block, item), delta, ...(isContent ? { logprobs: newLogprobs } : {}) };
      newLogprobs = [];
      return write(`${eventNames[block.head.kind]}.delta`, fields);
    },
    closed(block, outcome) {
      const { id, logprobs } = openItem();
      const status = outcome === 'broken' ? 'incomplete' : closingStatus;
      const item = outputItem(id, block.head, { text: block.text, logprobs, status, ...options });
      const done = write(`${eventNames[block.head.kind]}.done`, wholeOf(block, { id, logprobs }));
      const part =
        block.head.kind === 'call' ? '' : write('response.content_part.done', partOf(block, { id, logprobs }));
      if (outcome === 'whole') output.push(item);
      open = undefined;
      return done + part + write('response.output_item.done', { output_index: block.place, item });
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
  /** Of its text so far. */
  readonly logprobs: object[];
}

const wordless: Block = { place: 0, head: { kind: 'content' }, text: '' };

const eventNames = {
  content: 'response.output_text',
  reasoning: 'response.reasoning_text',
  call: 'response.function_call_arguments',
} as const;

function placeOf({ place, head }: Block, { id }: OpenItem): object {
  return { item_id: id, output_index: place, ...(head.kind === 'call' ? {} : { content_index: 0 }) };
}

function partOf(block: Block, item: OpenItem): object {
  const { head, text } = block;
  const part =
    head.kind === 'reasoning'
      ? { type: 'reasoning_text', text }
      : { type: 'output_text', annotations: [], logprobs: item.logprobs, text };
  return { ...placeOf(block, item), part };
}

function wholeOf(block: Block, item: OpenItem): object {
  const { head, text } = block;
  const place = placeOf(block, item);
  if (head.kind === 'call') return { ...place, name: head.name, arguments: text };
  return head.kind === 'reasoning' ? { ...place, text } : { ...place, text, logprobs: item.logprobs };
}
