// Prefixes in host memory: found by the tokens they were computed from, bounded in bytes and in blocks.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  addHostPrefix,
  checkHostPrefixes,
  createHostPrefixes,
  findHostPrefix,
  type HostPrefix,
  type HostPrefixes,
  removeHostPrefix,
  touchHostPrefix,
  wouldKeep,
} from '../../src/kv/host-prefixes.ts';
import { range, requestOf } from './requests.ts';

const sizes = { bytesMax: 100, blockTokens: 4, nodeCount: 64, hashSeed: 7 };

function add(prefixes: HostPrefixes<string>, state: string, tokens: readonly number[], namespace = ''): boolean {
  return addHostPrefix(prefixes, requestOf(tokens, namespace), { state, bytes: tokens.length });
}

function find(prefixes: HostPrefixes<string>, tokens: readonly number[], namespace = '') {
  const match = findHostPrefix(prefixes, requestOf(tokens, namespace));
  return match === undefined ? undefined : [match.prefix.state, match.count];
}

describe('prefixes in host memory', () => {
  it('finds as much as is common, short of the last token and from one block on', () => {
    const prefixes = createHostPrefixes<string>(sizes);
    expect(add(prefixes, 'a', range(0, 10))).toBe(true);
    expect(find(prefixes, range(0, 30))).toEqual(['a', 10]);
    expect(find(prefixes, range(0, 10))).toEqual(['a', 9]);
    expect(find(prefixes, [...range(0, 6), 99, 99])).toEqual(['a', 6]);
    expect(find(prefixes, [...range(0, 3), 99, 99])).toBeUndefined();
    expect(find(prefixes, range(0, 30), 'salt')).toBeUndefined();
  });

  it('keeps of two where one begins the other the longer alone', () => {
    const prefixes = createHostPrefixes<string>(sizes);
    add(prefixes, 'short', range(0, 8));
    expect(add(prefixes, 'long', range(0, 20))).toBe(true);
    expect(prefixes.tier.bytesUsed).toBe(20);
    expect(add(prefixes, 'short again', range(0, 12))).toBe(false);
    expect(add(prefixes, 'same again', range(0, 20))).toBe(false);
    expect(add(prefixes, 'a token more', range(0, 21))).toBe(true);
    expect(find(prefixes, range(0, 30))).toEqual(['a token more', 21]);
    expect([prefixes.entries.size, prefixes.tier.bytesUsed]).toEqual([1, 21]);
  });

  it('drops the least recently used ones to make room', () => {
    const prefixes = createHostPrefixes<string>(sizes);
    for (const [index, state] of ['a', 'b', 'c'].entries()) add(prefixes, state, range(100 * index, 100 * index + 30));
    const first = findHostPrefix(prefixes, requestOf(range(0, 30)));
    if (first !== undefined) touchHostPrefix(prefixes, first.prefix);
    expect(add(prefixes, 'd', range(500, 530))).toBe(true);
    expect([...prefixes.entries.values()].map(({ state }) => state).toSorted()).toEqual(['a', 'c', 'd']);
    expect(wouldKeep(prefixes, requestOf(range(0, 101)), 101)).toBe(false);
    expect(add(prefixes, 'too many bytes', range(0, 101))).toBe(false);
    expect(prefixes.entries.size).toBe(3);
  });

  it('keeps its laws, and always finds the longest beginning there is', () => {
    const tokens = fc.array(fc.nat(1), { minLength: 1, maxLength: 14 });
    const namespace = fc.constantFrom('', '', 'salt');
    const kind = fc.constantFrom('add', 'add', 'add', 'find', 'touch', 'remove');
    const shape = fc.record({
      bytesMax: fc.nat(40),
      blockTokens: fc.integer({ min: 1, max: 4 }),
      nodeCount: fc.integer({ min: 1, max: 20 }),
      hashSeed: fc.integer(),
    });
    fc.assert(
      fc.property(shape, fc.array(fc.record({ kind, tokens, namespace }), { maxLength: 40 }), (options, commands) => {
        const prefixes = createHostPrefixes<number>(options);
        for (const [index, command] of commands.entries()) {
          const request = requestOf(command.tokens, command.namespace);
          const match = findHostPrefix(prefixes, request);
          expect(match?.count ?? 0).toBe(longestCommon(prefixes, request));
          if (command.kind === 'add') {
            const kept = wouldKeep(prefixes, request, request.tokenCount);
            expect(addHostPrefix(prefixes, request, { state: index, bytes: request.tokenCount })).toBe(kept);
            const found = [...prefixes.entries.values()].some(({ state }) => state === index);
            expect(found).toBe(kept);
          } else if (match !== undefined && command.kind === 'touch') touchHostPrefix(prefixes, match.prefix);
          else if (match !== undefined && command.kind === 'remove') removeHostPrefix(prefixes, match.prefix);
          expect(checkHostPrefixes(prefixes)).toEqual([]);
        }
        for (const prefix of [...prefixes.entries.values()]) removeHostPrefix(prefixes, prefix);
        expect([prefixes.tree.size, prefixes.tier.bytesUsed, prefixes.nodes.freeCount]).toEqual([
          0,
          0,
          options.nodeCount,
        ]);
      }),
      { numRuns: 400 },
    );
  });
});

/** By comparing with every prefix: whole blocks decide, and of those that have most of them any one's further tokens. */
function longestCommon(prefixes: HostPrefixes<number>, request: ReturnType<typeof requestOf>): number {
  const commons = [...prefixes.entries.values()].map((prefix) => commonWith(prefix, request));
  const blocksOf = (count: number) => Math.floor(count / prefixes.blockTokens);
  const most = Math.max(0, ...commons.map(blocksOf));
  const found = findHostPrefix(prefixes, request);
  const own = found === undefined ? 0 : commonWith(found.prefix, request);
  if (most === 0 || request.tokenCount === 1) return 0;
  expect(blocksOf(own)).toBe(most);
  return Math.min(own, request.tokenCount - 1);
}

function commonWith({ namespace, tokens }: HostPrefix<number>, request: ReturnType<typeof requestOf>): number {
  if (namespace !== request.namespace) return 0;
  let count = 0;
  while (count < tokens.length && count < request.tokenCount && tokens[count] === request.tokens[count]) count += 1;
  return count;
}
