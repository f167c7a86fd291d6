// Whether a LoRA adapter fits a model, from the tables of both files alone: every fault in words.
// Why before llama.cpp sees it: that one stops at the first fault, names no numbers, and is asked only after the weights are
// loaded. Why more than it checks: tensors of experts must have as many of them, and what it would pass over is told.
// Source: llama_adapter_lora_init_impl in src/llama-adapter.cpp of llama.cpp v0.5.0.

import { type GgufFile, metadataValue } from '../../precision/gguf/read.ts';

type Table = Pick<GgufFile, 'entries' | 'tensors'>;
type Tensor = Table['tensors'][number];

export interface AdapterReport {
  readonly faults: readonly string[];
  /** What it has and nothing applies. */
  readonly warnings: readonly string[];
  /** Of the tensors that are applied. */
  readonly bytes: number;
}

/** What llama.cpp passes over, as adapters mostly work without it. */
const ignoredPattern = /_norm\.weight$/;
const partPattern = /^(.*)\.lora_([ab])$/;

/** Looks at an adapter beside the model that it is meant for. */
export function inspectAdapter(adapter: Table, model: Table): AdapterReport {
  const parts = adapter.tensors.filter(({ name }) => partPattern.test(name));
  const ignored = adapter.tensors.filter(({ name }) => ignoredPattern.test(name));
  const kindFaults = faultsOfKind(adapter, model);
  return {
    // Of something else than an adapter for this architecture every tensor would be wrong.
    faults: kindFaults.length > 0 ? kindFaults : faultsOfTensors(adapter, model),
    warnings: ignored.length === 0 ? [] : [`${ignored.length} norm tensors are not applied: ${listed(ignored)}`],
    bytes: parts.reduce((sum, { bytes }) => sum + bytes, 0),
  };
}

function faultsOfKind(adapter: Table, model: Table): string[] {
  const faults: string[] = [];
  const expect = (key: string, wanted: string): void => {
    const found = metadataValue(adapter, key);
    if (found !== wanted) faults.push(`${key} must be ${wanted}. Found: ${found ?? 'none'}`);
  };
  expect('general.type', 'adapter');
  if (faults.length > 0) return [`it is no adapter: ${faults.join('')}`];
  expect('adapter.type', 'lora');
  expect('general.architecture', String(metadataValue(model, 'general.architecture')));
  if (metadataValue(adapter, 'adapter.alora.invocation_tokens') !== undefined)
    faults.push('adapters that begin at their invocation tokens (aLoRA) are not supported');
  return faults;
}

function faultsOfTensors({ tensors }: Table, model: Table): string[] {
  const pairs = new Map<string, { a?: Tensor; b?: Tensor }>();
  const strange: Tensor[] = [];
  for (const tensor of tensors) {
    const [, target, side] = partPattern.exec(tensor.name) ?? [];
    if (target !== undefined) pairs.set(target, { ...pairs.get(target), [side === 'a' ? 'a' : 'b']: tensor });
    else if (!ignoredPattern.test(tensor.name)) strange.push(tensor);
  }
  const targets = new Map(model.tensors.map((tensor) => [tensor.name, tensor]));
  return [
    ...(pairs.size === 0 ? ['it has no tensors named *.lora_a and *.lora_b'] : []),
    ...(strange.length === 0 ? [] : [`tensors must be named *.lora_a or *.lora_b. Found: ${listed(strange)}`]),
    ...[...pairs].flatMap(([name, { a, b }]) => {
      if (a === undefined || b === undefined) return [`${name} has no lora_${a === undefined ? 'a' : 'b'}`];
      const target = targets.get(name);
      return target === undefined ? [`the model has no ${name}`] : faultsOfPair(target, { a, b, targets });
    }),
  ];
}

interface Pair {
  readonly a: Tensor;
  readonly b: Tensor;
  readonly targets: ReadonlyMap<string, Tensor>;
}

/** A matrix of (input, output) takes an A of (input, rank) and a B of (rank, output), of experts one each. */
function faultsOfPair(target: Tensor, { a, b, targets }: Pair): string[] {
  const { name } = target;
  const [input = 1, output = 1, experts = 1] = target.shape;
  const rank = a.shape[1] ?? 1;
  // Rows of embeddings are looked up, so A is (rank, vocabulary) and B (rank, width).
  const isEmbedding = name.endsWith('token_embd.weight');
  const embeddingRank = a.shape[0] ?? 1;
  const wantedA = isEmbedding ? [embeddingRank, output] : [input, rank, experts];
  const wantedB = isEmbedding ? [embeddingRank, input] : [rank, output, experts];
  const faults = [...shapeFault(a, wantedA), ...shapeFault(b, wantedB)].map(
    (fault) => `${fault}; ${name} of the model is ${shapeText(target.shape)}`,
  );
  // llama.cpp ends the process over it.
  const isScaled = target.type === 'nvfp4' && targets.has(name.replace(/\.weight$/, '.scale'));
  return isScaled ? [...faults, `${name} of the model is NVFP4 with a scale, which takes no adapter`] : faults;
}

function shapeFault({ name, shape }: Tensor, wanted: readonly number[]): string[] {
  const fits = [0, 1, 2, 3].every((dimension) => (shape[dimension] ?? 1) === (wanted[dimension] ?? 1));
  return fits ? [] : [`${name} must be ${shapeText(wanted)}. Found: ${shapeText(shape)}`];
}

function shapeText(shape: readonly number[]): string {
  const [input = 1, output = 1, ...rest] = shape;
  const last = rest.findLastIndex((size) => size !== 1);
  return [input, output, ...rest.slice(0, last + 1)].join(' x ');
}

const listedMax = 3;

function listed(tensors: readonly Tensor[]): string {
  const names = tensors.slice(0, listedMax).map(({ name }) => name);
  return tensors.length > listedMax ? `${names.join(', ')} and ${tensors.length - listedMax} more` : names.join(', ');
}
