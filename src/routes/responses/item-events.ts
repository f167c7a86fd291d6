// The events of a streamed answer's items: each is added, grows part by part, and is told whole when it is done.
// Source: OpenAI's ResponseStreamEvent.

import { must } from '../../assert.ts';
import { type Block, createBlockWriter } from '../answer-blocks.ts';
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
  end(status: ItemStatus): string;
  /** Items that are over. A call that broke is none: its text follows in a message. */
  readonly output: readonly OutputItem[];
}

interface OpenItem {
  readonly id: string;
  readonly logprobs: object[];
}

export function createItemEvents(write: WriteEvent, options: ItemOptions): ItemEvents {
  const output: OutputItem[] = [];
  let open: OpenItem | undefined;
  let newLogprobs: readonly object[] = [];
  let endStatus: ItemStatus = 'completed';

  const itemOf = (block: Block, status: ItemStatus): OutputItem => {
    const { id, logprobs } = must(open, 'an item is open');
    return outputItem(id, block.head, { text: block.text, logprobs, status, ...options });
  };
  function opened(block: Block): string {
    open = { id: itemIdOf(block.head), logprobs: [] };
    const added = write('response.output_item.added', {
      output_index: block.place,
      item: itemOf(block, 'in_progress'),
    });
    return block.head.kind === 'call' ? added : added + write('response.content_part.added', partFields(block, ''));
  }
  function grown(block: Block, added: string): string {
    const { id, logprobs } = must(open, 'an item is open');
    if (block.head.kind === 'content') logprobs.push(...newLogprobs);
    const scored = block.head.kind === 'content' ? { logprobs: newLogprobs } : {};
    newLogprobs = [];
    return write(`${eventNames[block.head.kind]}.delta`, { ...placeOf(block, id), delta: added, ...scored });
  }
  function closed(block: Block, outcome: 'whole' | 'broken'): string {
    const { id } = must(open, 'an item is open');
    const item = itemOf(block, outcome === 'broken' ? 'incomplete' : endStatus);
    const done = write(`${eventNames[block.head.kind]}.done`, { ...placeOf(block, id), ...wholeFields(block) });
    const part = block.head.kind === 'call' ? '' : write('response.content_part.done', partFields(block, block.text));
    if (outcome === 'whole') output.push(item);
    open = undefined;
    return done + part + write('response.output_item.done', { output_index: block.place, item });
  }
  function partFields(block: Block, text: string): object {
    const { id, logprobs } = must(open, 'an item is open');
    const part =
      block.head.kind === 'reasoning'
        ? { type: 'reasoning_text', text }
        : { type: 'output_text', annotations: [], logprobs: [...logprobs], text };
    return { ...placeOf(block, id), part };
  }
  function wholeFields({ head, text }: Block): object {
    if (head.kind === 'call') return { name: head.name, arguments: text };
    return head.kind === 'reasoning' ? { text } : { text, logprobs: [...must(open, 'an item is open').logprobs] };
  }

  const spelling = { opened, grown, closed };
  const blocks = createBlockWriter(spelling);
  const empty: Block = { place: 0, head: { kind: 'content' }, text: '' };
  return {
    text(added, logprobs) {
      newLogprobs = logprobs;
      return blocks.text(added);
    },
    piece: blocks.piece,
    end(status) {
      endStatus = status;
      const events = blocks.end();
      return output.length > 0 ? events : events + opened(empty) + closed(empty, 'whole');
    },
    output,
  };
}

const eventNames = {
  content: 'response.output_text',
  reasoning: 'response.reasoning_text',
  call: 'response.function_call_arguments',
} as const;

function placeOf({ place, head }: Block, itemId: string): object {
  return { item_id: itemId, output_index: place, ...(head.kind === 'call' ? {} : { content_index: 0 }) };
}
