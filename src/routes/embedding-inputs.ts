// The texts of a request for vectors as tokens: framed as the model wants them, cut where that is wished, and no longer than it reads.
// Why the frame is set here: cutting must not take the tokens away that end a text, which some models read everything from.

import type { EmbeddingCapacity } from '../embedding-port.ts';
import type { EmbeddingEncoder } from '../text-ports.ts';
import { vocabularyFault } from './completions.ts';
import { textLengthOf } from './completions-schema.ts';
import type { RouteDependencies } from './dependencies.ts';
import { inputFault } from './embedding-run.ts';
import type { EmbeddingsRequest } from './embeddings-schema.ts';
import type { Checked } from './request-body.ts';
import { tokenizeText } from './tokenize-text.ts';

type Edges = EmbeddingEncoder['edges'];

const noEdges: Edges = { before: new Int32Array(0), after: new Int32Array(0) };

export async function tokenizeInputs(
  fields: EmbeddingsRequest,
  { tokenizer, embeddingEncoder }: RouteDependencies,
  capacity: EmbeddingCapacity,
): Promise<Checked<readonly Int32Array[]>> {
  const bare = { special: true, bos: false, lengthInAll: textLengthOf(fields.input) };
  const textEdges = fields.add_special_tokens === false ? noEdges : embeddingEncoder.edges;
  const inputs: Int32Array[] = [];
  for (const [index, input] of fields.input.entries()) {
    const path = fields.input.length === 1 ? 'input' : `input.${index}`;
    const own = input.kind === 'tokens' ? input.tokens : await tokenizeText(input.text, tokenizer, bare);
    // Who sends tokens has framed them.
    const edges = input.kind === 'tokens' ? noEdges : textEdges;
    const framed = frame(own, edges, {
      tokensMax: keptTokens(fields, capacity),
      side: fields.truncation_side ?? 'right',
    });
    const fault = vocabularyFault(own, path, tokenizer) ?? inputFault(own.length === 0 ? own : framed, path, capacity);
    if (fault !== undefined) return { kind: 'refused', error: fault };
    inputs.push(framed);
  }
  return { kind: 'valid', value: inputs };
}

/** Tokens that an input may keep; undefined where it is not to be cut. */
export function keptTokens(
  { truncate_prompt_tokens: wanted }: Pick<EmbeddingsRequest, 'truncate_prompt_tokens'>,
  { inputTokensMax }: EmbeddingCapacity,
): number | undefined {
  if (wanted === undefined || wanted === null) return undefined;
  return wanted === -1 ? inputTokensMax : wanted;
}

interface Cut {
  readonly tokensMax: number | undefined;
  /** The end that goes. */
  readonly side: 'left' | 'right';
}

/** The text's tokens between the model's own; what is cut is the text's, down to nothing. */
function frame(own: Int32Array, { before, after }: Edges, { tokensMax, side }: Cut): Int32Array {
  const room = Math.max((tokensMax ?? Number.POSITIVE_INFINITY) - before.length - after.length, 0);
  const kept = own.length <= room ? own : side === 'right' ? own.subarray(0, room) : own.subarray(own.length - room);
  // Some texts bring the first token along.
  const isBegun = before.length > 0 && kept[0] === before[0];
  return Int32Array.from([...(isBegun ? [] : before), ...kept, ...after]);
}
