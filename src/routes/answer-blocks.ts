// A streamed answer as blocks that open, grow and close, one at a time: for wires that number the parts of an answer.
// Why derived here: the engine's news are pieces of text and calls; where one block ends and the next begins follows from
// their kinds, whatever the blocks are called on the wire.

import { assertNever } from '../assert.ts';
import type { StreamPiece } from './answer-format.ts';

export type BlockHead =
  | { readonly kind: 'content' }
  | { readonly kind: 'reasoning' }
  | { readonly kind: 'call'; readonly id: string; readonly name: string };

export interface Block {
  /** Its place in the answer, from 0. */
  readonly place: number;
  readonly head: BlockHead;
  /** All its text so far: for a call its arguments. */
  readonly text: string;
}

/** How a wire spells what happens to blocks. */
export interface BlockSpelling {
  opened(block: Block): string;
  /** `added` is part of the block's text already. */
  grown(block: Block, added: string): string;
  /** `outcome`: a broken call turned out to be none; its text follows as content. */
  closed(block: Block, outcome: 'whole' | 'broken'): string;
}

export interface BlockWriter {
  text(text: string): string;
  piece(piece: StreamPiece): string;
  /** Closes the block that is open, if one is. */
  end(): string;
}

export function createBlockWriter(spelling: BlockSpelling): BlockWriter {
  let open: Block | undefined;
  let count = 0;

  function close(outcome: 'whole' | 'broken'): string {
    if (open === undefined) return '';
    const events = spelling.closed(open, outcome);
    open = undefined;
    return events;
  }

  function begin(head: BlockHead): string {
    const events = close('whole');
    open = { place: count, head, text: '' };
    count += 1;
    return events + spelling.opened(open);
  }

  function grow(head: BlockHead, added: string): string {
    if (added === '') return '';
    const events = open?.head.kind === head.kind ? '' : begin(head);
    const block = { place: count - 1, head: open?.head ?? head, text: (open?.text ?? '') + added };
    open = block;
    return events + spelling.grown(block, added);
  }

  return {
    text: (text) => grow({ kind: 'content' }, text),
    piece: (piece) => {
      switch (piece.kind) {
        case 'reasoning':
          return grow({ kind: 'reasoning' }, piece.text);
        case 'call-started':
          return begin({ kind: 'call', id: piece.id, name: piece.name });
        case 'call-arguments':
          return open === undefined ? '' : grow(open.head, piece.text);
        case 'call-finished':
          return close('whole');
        case 'call-broken':
          return close('broken');
        default:
          return assertNever(piece);
      }
    },
    end: () => close('whole'),
  };
}
