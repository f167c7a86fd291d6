// A capacity plan as text and as plain data: a row for each pair of weights and KV types.

import { formatBytes, formatColumns, formatCount } from '../../format.ts';
import { kvName } from '../../precision/evaluate/cells.ts';
import type { GridPlan, PairPlan } from './plan-grid.ts';

export function formatGridPlan(plan: GridPlan): string {
  const { model, memoryBytes, contextTokens, concurrency, pairs, notes } = plan;
  const rows = pairs.map((pair) => rowOf(pair, concurrency));
  const table = formatColumns([head, ...rows], [1, 2, 4, 5, 7, 8, 9, 10, 11]);
  const drafts = [...new Set(pairs.map(({ draftBytes }) => draftBytes))].filter((bytes) => bytes > 0).map(formatBytes);
  const stateBytes = Math.max(0, ...pairs.map(({ serve }) => (serve.kind === 'planned' ? serve.stateBytes : 0)));
  return [
    `${model.name || model.path}: ${model.architecture}, ${formatCount(model.parameterCount)} weights, ` +
      `${formatCount(model.kvLayerCount)} layers that keep K and V of every token, trained to ${formatCount(model.contextTokensTrained)} tokens`,
    `${formatBytes(memoryBytes)} for ${formatCount(concurrency)} requests of ${formatCount(contextTokens)} tokens at once (${plan.device.split(';')[0]})`,
    '',
    ...table,
    '',
    'fits: whether so many whole requests run at once. blocks, tokens, requests: what octet serve lays out with these settings,',
    'requests being whole ones at once. at most: tokens of the largest cache that the memory holds (--kv-layout and --kv-blocks), and whole requests in it.',
    ...(drafts.length === 0
      ? []
      : [`what guesses, of the same memory: ${drafts.join(', ')} with its buffers and its own f16 KV cache.`]),
    ...(stateBytes === 0
      ? []
      : [
          `states that leave the cache, of the same memory: up to ${formatBytes(stateBytes)}, less beside a larger cache ` +
            '(--park-memory and --prefix-memory of octet serve).',
        ]),
    ...refusals(pairs),
    ...notes.map((note) => `note: ${note}`),
  ].join('\n');
}

const head = [
  ...['weights', 'bits/w', 'size', 'KV', 'a token', 'compute', 'fits', 'blocks', 'tokens', 'requests'],
  ...['at most', 'requests'],
];

function rowOf(pair: PairPlan, concurrency: number): string[] {
  const { weights, bitsPerWeight, weightBytes, kv, kvBytesPerToken, serve, largest } = pair;
  const served =
    serve.kind === 'planned'
      ? { compute: formatBytes(serve.computeBytes), counts: [serve.blocks, serve.tokens, serve.requests] }
      : { compute: '-', counts: undefined };
  return [
    weights,
    bitsPerWeight.toFixed(2),
    formatBytes(weightBytes),
    kvName(kv),
    formatBytes(kvBytesPerToken),
    served.compute,
    fitsText(pair, concurrency),
    ...(served.counts === undefined ? ['-', '-', '-'] : served.counts.map(formatCount)),
    ...(largest === undefined ? ['-', '-'] : [formatCount(largest.tokens), formatCount(largest.requests)]),
  ];
}

function fitsText({ fits, largest, serve }: PairPlan, concurrency: number): string {
  if (fits) return 'yes';
  const requests = Math.max(largest?.requests ?? 0, serve.kind === 'planned' ? serve.requests : 0);
  return requests === 0 ? 'no' : `${formatCount(requests)} of ${formatCount(concurrency)}`;
}

function refusals(pairs: readonly PairPlan[]): string[] {
  return pairs.flatMap(({ weights, kv, serve }) =>
    serve.kind === 'refused' ? [`${weights} with ${kvName(kv)}: ${serve.reason}`] : [],
  );
}

/** The same for programs; sizes in bytes. What `octet serve` would refuse has 0 blocks and says why. */
export function gridAsData({ pairs, ...rest }: GridPlan) {
  return { ...rest, pairs: pairs.map(pairAsData) };
}

function pairAsData({ serve, largest, kv, ...rest }: PairPlan) {
  const served =
    serve.kind === 'planned' ? withoutKind(serve) : { blocks: 0, tokens: 0, requests: 0, refused: serve.reason };
  return { ...rest, kv: kvName(kv), ...served, largest: largest ?? null };
}

function withoutKind<T extends { readonly kind: string }>({ kind: _, ...rest }: T): Omit<T, 'kind'> {
  return rest;
}
