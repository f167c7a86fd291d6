// The engine that serves, as an evaluation uses it: the same scheduler, cache and kernels, without HTTP and without a second process.
// Why a port: this folder knows neither scheduler nor cache; who starts an evaluation builds the engine and passes it in.
// Why without HTTP: cells of the grid are compared with one another, and the network's share is the same for each.

import { must } from '../../assert.ts';
import type { EngineCapacity } from '../../capacity-port.ts';
import { tokenId } from '../../ids.ts';
import type { KvTypes } from '../../kv-types.ts';
import type { Engine } from '../../ports.ts';
import type { SamplingParams } from '../../sampling-params.ts';
import type { Tokenizer } from '../../text-ports.ts';

export interface ServingEngine {
  readonly engine: Pick<Engine, 'submit' | 'cancel' | 'nextSequenceId'>;
  readonly capacity: EngineCapacity;
  dispose(): Promise<void>;
}

export interface EngineWish {
  readonly path: string;
  readonly kvTypes: KvTypes;
  readonly threads: number;
  readonly sequencesMax: number;
  /** Longest sequence; 0 means the model's own limit. */
  readonly contextTokens: number;
}

export type OpenEngine = (wish: EngineWish) => Promise<ServingEngine>;

export interface GenerationWish {
  readonly tokens: Int32Array;
  readonly outputTokensMax: number;
  readonly sampling: SamplingParams;
  readonly seed: number;
  /** The answer ends before the first of these. */
  readonly stop: readonly string[];
  /** Goes on at the model's end-of-text: for timing. */
  readonly ignoreEos: boolean;
}

export interface Generated {
  readonly text: string;
  readonly tokenCount: number;
  /** Milliseconds from submission to each token. Shape (tokenCount,). */
  readonly tokenMs: readonly number[];
}

/** Generates one answer; rejects when the engine refuses or fails it. */
export function generate(
  { engine }: Pick<ServingEngine, 'engine'>,
  tokenizer: Tokenizer,
  wish: GenerationWish,
): Promise<Generated> {
  const id = engine.nextSequenceId();
  const startedMs = performance.now();
  const decoder = new TextDecoder();
  const tokenMs: number[] = [];
  let text = '';
  return new Promise((resolve, reject) => {
    const finish = (answer: string) => resolve({ text: answer, tokenCount: tokenMs.length, tokenMs });
    const refused = engine.submit(
      {
        kind: 'generate',
        choices: [{ sequenceId: id, seed: wish.seed }],
        tokens: wish.tokens,
        generatedCount: 0,
        outputTokensMax: wish.outputTokensMax,
        sampling: wish.sampling,
        stopTokenIds: [],
        ignoreEos: wish.ignoreEos,
        priority: 0,
        fairnessKey: '',
        namespace: '',
        timeLimit: undefined,
      },
      (event) => {
        if (event.kind === 'sequence-failed') reject(new Error(event.error.message));
        if (event.kind === 'sequence-finished') finish(text + decoder.decode());
        if (event.kind !== 'token-delta') return;
        tokenMs.push(performance.now() - startedMs);
        text += decoder.decode(tokenizer.pieceBytes(tokenId(event.token)), { stream: true });
        const end = firstStop(text, wish.stop);
        if (end === undefined) return;
        engine.cancel(id, 'stop-string');
        finish(text.slice(0, end));
      },
    );
    if (refused !== undefined) reject(new Error(refused.message));
  });
}

function firstStop(text: string, stop: readonly string[]): number | undefined {
  const places = stop.map((end) => text.indexOf(end)).filter((place) => place >= 0);
  return places.length === 0 ? undefined : Math.min(...places);
}

/** Runs `work` over all items, at most `atOnce` at a time; answers the results in order of the items. */
export async function overAll<Item, Result>(
  items: readonly Item[],
  atOnce: number,
  work: (item: Item, index: number) => Promise<Result>,
): Promise<readonly Result[]> {
  const results: Result[] = new Array(items.length);
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < items.length) {
      const index = next++;
      results[index] = await work(must(items[index], 'the index is within the items'), index);
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, worker));
  return results;
}
