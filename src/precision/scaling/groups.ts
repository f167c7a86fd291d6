// Where a model's function leaves a scale free: what is divided by it in one place is multiplied by it in the next.
//   attention-input    attn_norm / s                  -> columns of attn_q, attn_k, attn_v (or attn_qkv) × s
//   attention-output   rows and bias of attn_v / s    -> columns of attn_output × s
//   ffn-input          ffn_norm / s                   -> columns of ffn_gate, ffn_up × s
//   ffn-output         rows and bias of ffn_up / s    -> columns of ffn_down × s
// Why these: between the two places lies nothing that is not linear in the channel. Norms of queries and keys, rotation and
// the gate's activation lie on other paths; attention mixes positions, not channels. Heads that share a value head share scales.
// Why an unknown tensor refuses the layer: it might read what would be scaled.
// Source: AWQ (arXiv 2306.00978), SmoothQuant (arXiv 2211.10438); the graphs in src/models/ of llama.cpp v0.5.0.

import type { GgufTensor } from '../gguf/parse.ts';
import { type GgufFile, metadataValue } from '../gguf/read.ts';
import { entryValues } from '../gguf/values.ts';
import type { GroupKind } from '../recipes/recipe.ts';
import { layerCountOf } from '../recipes/resolve.ts';

/** Channels that may be scaled together, and the tensors that make and read them. */
export interface ScalingGroup {
  readonly kind: GroupKind;
  readonly layer: number;
  /** Divided by the scales: weights of a norm, a bias. Shape (channelCount,) each. */
  readonly vectors: readonly string[];
  /** The matrix whose rows are divided by them. */
  readonly rowsOf: string | undefined;
  /** Matrices whose columns are multiplied by them. */
  readonly columnsOf: readonly string[];
  readonly channelCount: number;
  /** The channel that each column reads. Shape (columns,). */
  readonly channels: Uint32Array;
}

export type GroupsFound =
  | { readonly kind: 'groups'; readonly groups: readonly ScalingGroup[] }
  /** Each a sentence. */
  | { readonly kind: 'faults'; readonly faults: readonly string[] };

/** Architectures whose graphs are those of Llama, as far as scales are concerned. */
export const scalableArchitectures: readonly string[] = ['llama', 'mistral3', 'qwen2', 'qwen3', 'smollm3'];

const layerTensors: ReadonlySet<string> = new Set([
  ...['attn_norm', 'attn_q_norm', 'attn_k_norm', 'ffn_norm'].map((part) => `${part}.weight`),
  ...['rope_freqs', 'rope_factors_long', 'rope_factors_short'].map((part) => `${part}.weight`),
  ...['attn_q', 'attn_k', 'attn_v', 'attn_qkv', 'attn_output', 'ffn_gate', 'ffn_up', 'ffn_down'].flatMap((part) => [
    `${part}.weight`,
    `${part}.bias`,
  ]),
]);

/** The groups of a model, layer by layer; or why it has none that are safe. */
export function findGroups(file: GgufFile): GroupsFound {
  const architecture = String(metadataValue(file, 'general.architecture') ?? 'unknown');
  if (!scalableArchitectures.includes(architecture))
    return faults(`scaling is known for the architectures ${scalableArchitectures.join(', ')}. Given: ${architecture}`);
  const names = file.tensors.map(({ name }) => name);
  const strange = names.find((name) => /^blk\.\d+\./.test(name) && !layerTensors.has(name.replace(/^blk\.\d+\./, '')));
  if (strange !== undefined)
    return faults(`scaling knows the layers of dense ${architecture} models; ${strange} is no part of one`);
  const layers = Array.from({ length: layerCountOf(names) }, (_, layer) => layer);
  const groups = layers.flatMap((layer) => groupsOfLayer(file, layer, architecture));
  return groups.length > 0
    ? { kind: 'groups', groups }
    : faults('this model has nothing that scales can be moved between');
}

function faults(fault: string): GroupsFound {
  return { kind: 'faults', faults: [fault] };
}

function groupsOfLayer(file: GgufFile, layer: number, architecture: string): ScalingGroup[] {
  const tensors = new Map(file.tensors.map((tensor) => [tensor.name, tensor]));
  const present = (...parts: readonly string[]) =>
    parts.map((part) => tensors.get(`blk.${layer}.${part}`)).filter((tensor) => tensor !== undefined);
  // Without a gate, the activation function would lie between the two matrices.
  const gated = present('ffn_gate.weight').length > 0 ? present('ffn_up.weight', 'ffn_up.bias') : [];
  return [
    group('attention-input', layer, {
      makers: present('attn_norm.weight'),
      readers: present('attn_q.weight', 'attn_k.weight', 'attn_v.weight', 'attn_qkv.weight'),
    }),
    group('attention-output', layer, {
      makers: present('attn_v.weight', 'attn_v.bias'),
      readers: present('attn_output.weight'),
      headValues: headValues(file, layer, architecture),
    }),
    group('ffn-input', layer, {
      makers: present('ffn_norm.weight'),
      readers: present('ffn_gate.weight', 'ffn_up.weight'),
    }),
    group('ffn-output', layer, { makers: gated, readers: present('ffn_down.weight') }),
  ].filter((found) => found !== undefined);
}

interface Ends {
  /** The matrix or the norm's weights, and the bias. */
  readonly makers: readonly GgufTensor[];
  readonly readers: readonly GgufTensor[];
  /** Values of a head, where several heads of the reader have the same channels. */
  readonly headValues?: number;
}

/** Undefined where the layer has not both ends: a bias of values may stand beside a matrix that has queries and keys in it too. */
function group(kind: GroupKind, layer: number, { makers, readers, headValues }: Ends): ScalingGroup | undefined {
  const maker = makers.find(({ name }) => name.endsWith('.weight'));
  const columns = readers[0]?.shape[0];
  if (maker === undefined || columns === undefined) return undefined;
  const channelCount = maker.shape.at(-1) ?? 1;
  const channels = channelsOf(columns, channelCount, headValues ?? channelCount);
  if (channels === undefined) return undefined;
  return {
    kind,
    layer,
    vectors: makers.filter(({ shape }) => shape.length === 1).map(({ name }) => name),
    rowsOf: makers.find(({ shape }) => shape.length === 2)?.name,
    columnsOf: readers.map(({ name }) => name),
    channelCount,
    channels,
  };
}

/** Heads in a row share a value head: `columns / channelCount` of them. Undefined when the sizes do not go together. */
function channelsOf(columns: number, channelCount: number, headValues: number): Uint32Array | undefined {
  const sharing = columns / channelCount;
  if (!Number.isInteger(sharing) || channelCount % headValues !== 0) return undefined;
  return Uint32Array.from({ length: columns }, (_, column) => {
    const head = Math.floor(column / headValues);
    return Math.floor(head / sharing) * headValues + (column % headValues);
  });
}

function headValues(file: GgufFile, layer: number, architecture: string): number {
  const given = metadataValue(file, `${architecture}.attention.value_length`);
  if (given !== undefined) return Number(given);
  const width = Number(metadataValue(file, `${architecture}.embedding_length`));
  const counts = file.entries.find(({ key }) => key === `${architecture}.attention.head_count`);
  const heads = counts === undefined ? [1] : entryValues(counts);
  return width / Number(heads[layer] ?? heads[0]);
}
