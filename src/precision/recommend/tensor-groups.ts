// What a search may choose from: groups of tensors that get one format together, and what each format would take.
// Why every layer's part is a group by itself: in most models a few tensors lose far more than others of their kind.

import type { TensorTypeName } from '../../llama/tensor-types.ts';
import { alignmentDefault, type GgufTensor, padded } from '../gguf/parse.ts';
import { isQuantizable } from '../recipes/eligible.ts';
import { layerOf, partOf } from '../recipes/patterns.ts';
import { planTensor } from '../recipes/resolve.ts';

/** `tensor`: each layer's part; `kind`: a part in all layers; `layer`: all parts of a layer. */
export const groupings = ['tensor', 'kind', 'layer'] as const;
export type Grouping = (typeof groupings)[number];

/** The format of each tensor by name; what is not in it stays as it is. */
export type TensorTypes = ReadonlyMap<string, TensorTypeName>;

/** A mix's name: the same for the same formats, whatever order they are given in. */
export function mixKey(types: TensorTypes): string {
  return [...types]
    .map(([name, type]) => `${name}=${type}`)
    .sort()
    .join(' ');
}

export interface FormatChoice {
  /** The format that was asked for; `as it is` leaves the tensors alone. */
  readonly label: string;
  readonly types: TensorTypes;
  /** As written, alignment included. */
  readonly bytes: number;
}

export interface TensorGroup {
  /** `blk.0.attn_v`, `attn_v`, `blk.0`, `token_embd`. */
  readonly name: string;
  readonly tensors: readonly GgufTensor[];
  readonly valueCount: number;
  /** From the most bytes to the fewest; no two alike. */
  readonly choices: readonly FormatChoice[];
}

export const asItIs = 'as it is';

export interface GroupingWish {
  readonly grouping: Grouping;
  /** Formats to choose from; each group may also stay as it is. */
  readonly formats: readonly TensorTypeName[];
  /** Tensors whose format is settled. */
  readonly fixed: TensorTypes;
}

/** The groups of a model's tensors, in order of the file. Tensors that are never quantized are in none. */
export function groupTensors(tensors: readonly GgufTensor[], wish: GroupingWish): readonly TensorGroup[] {
  const members = new Map<string, GgufTensor[]>();
  for (const tensor of tensors.filter(isQuantizable)) {
    const settled = wish.fixed.has(tensor.name);
    const name = settled ? plainName(tensor.name) : groupName(tensor.name, wish.grouping);
    members.set(name, [...(members.get(name) ?? []), tensor]);
  }
  return [...members].map(([name, own]) => ({
    name,
    tensors: own,
    valueCount: own.reduce((sum, { shape }) => sum + shape.reduce((product, size) => product * size, 1), 0),
    choices: choicesOf(own, wish),
  }));
}

function plainName(name: string): string {
  return name.replace(/\.weight$/, '');
}

function groupName(name: string, grouping: Grouping): string {
  if (grouping === 'tensor') return plainName(name);
  if (grouping === 'kind') return partOf(name);
  const layer = layerOf(name);
  return layer === undefined ? plainName(name) : `blk.${layer}`;
}

function choicesOf(tensors: readonly GgufTensor[], { formats, fixed }: GroupingWish): readonly FormatChoice[] {
  const settled = tensors.map(({ name }) => fixed.get(name)).find((type) => type !== undefined);
  const choices =
    settled === undefined
      ? withSmaller(
          choiceOf(tensors, undefined),
          formats.map((format) => choiceOf(tensors, format)),
        )
      : [choiceOf(tensors, settled)];
  // Where rows do not divide into a format's blocks, several formats come down to one.
  const distinct = new Map(choices.toReversed().map((choice) => [JSON.stringify([...choice.types]), choice]));
  return [...distinct.values()].sort((a, b) => b.bytes - a.bytes);
}

/** A format that saves nothing has nothing to offer. */
function withSmaller(own: FormatChoice, others: readonly FormatChoice[]): FormatChoice[] {
  return [own, ...others.filter(({ bytes }) => bytes < own.bytes)];
}

function choiceOf(tensors: readonly GgufTensor[], format: TensorTypeName | undefined): FormatChoice {
  const planned = tensors.map((tensor) => planTensor(tensor, format ?? tensor.type));
  return {
    label: format ?? asItIs,
    types: new Map(planned.filter(({ from, to }) => from !== to).map(({ name, to }) => [name, to])),
    bytes: planned.reduce((sum, { bytes }) => sum + padded(bytes, alignmentDefault), 0),
  };
}
