// Passes that make vectors, one at a time, between the steps that generate.
// How streams beside it are kept going: the engine's loop takes turns, one step, one pass; and a pass computes about as many
// tokens as take the time of the step before it (learned from passes). So while both have work each gets half of the time, and
// no stream waits longer than one more step for its token. With nothing to generate a pass is as large as it may be, within a
// time that a request which comes meanwhile can wait.
// What cannot be kept so short: a model that reads an input in one piece computes it in one pass, however long.

import type { Embedder, EmbedderLimits, EmbeddingCommand, EmbeddingMessage } from '../embedding-port.ts';
import { octetError } from '../errors.ts';
import { createEmbeddingQueue, type PlannedPart } from './embedding-queue.ts';

export interface EmbeddingLanePorts {
  readonly limits: EmbedderLimits;
  /** Makes the native side; called once something is to be computed. Throws with its reason when it cannot. */
  readonly open: () => Promise<Embedder>;
  /** Milliseconds of a monotonic clock. */
  readonly now: () => number;
  readonly post: (message: EmbeddingMessage) => void;
}

export interface EmbeddingLane {
  accept(command: EmbeddingCommand): void;
  hasWork(): boolean;
  /** Computes one pass that takes about `msMax`; undefined where nothing waits for its end. */
  pass(msMax: number | undefined): Promise<void>;
  dispose(): void;
}

/** Even beside the quickest steps: fewer tokens would cost as much. */
const passTokensMin = 16;
/** A pass that nothing waits for. Measured on a CPU: passes of 100 tokens cost no more a token than those of 500. */
const alonePassMsMax = 200;
/** Weight of the newest pass in the measured time of a token. */
const paceWeight = 0.3;

export function createEmbeddingLane({ limits, open, now, post }: EmbeddingLanePorts): EmbeddingLane {
  const queue = createEmbeddingQueue(limits);
  let embedder: Embedder | undefined;
  let tokenMs: number | undefined;

  function tokensWithin(msMax: number | undefined): number {
    if (tokenMs === undefined) return msMax === undefined ? limits.passTokensMax : passTokensMin;
    return Math.max(passTokensMin, Math.floor((msMax ?? alonePassMsMax) / tokenMs));
  }

  function failAll(parts: readonly PlannedPart[], reason: string): void {
    for (const id of new Set(parts.map(({ requestId }) => requestId))) {
      if (queue.isWanted(id)) post({ kind: 'embedding-failed', id, error: octetError('kernel_failed', reason) });
      queue.cancel(id);
    }
  }

  function postVectors(parts: readonly PlannedPart[], vectors: readonly (Float32Array | undefined)[]): void {
    const byRequest = new Map<number, { index: number; vector: Float32Array }[]>();
    for (const [position, { requestId, index }] of parts.entries()) {
      const vector = vectors[position];
      if (vector === undefined || !queue.isWanted(requestId)) continue;
      byRequest.set(requestId, [...(byRequest.get(requestId) ?? []), { index, vector }]);
    }
    for (const [id, results] of byRequest) {
      queue.answered(id, results.length);
      post({ kind: 'embedded', id, results });
    }
  }

  return {
    accept(command) {
      if (command.kind === 'embed') queue.submit(command);
      else queue.cancel(command.id);
    },
    hasWork: queue.hasWork,
    async pass(msMax) {
      const parts = queue.plan(tokensWithin(msMax));
      if (parts === undefined) return;
      try {
        embedder ??= await open();
        const startedMs = now();
        const outcome = await embedder.compute(parts);
        if (outcome.kind === 'failed') {
          failAll(parts, `The native kernels failed to make the vectors: ${outcome.reason}`);
          return;
        }
        const tokenCount = parts.reduce((sum, { from, to }) => sum + to - from, 0);
        const measuredMs = (now() - startedMs) / tokenCount;
        tokenMs = tokenMs === undefined ? measuredMs : tokenMs + paceWeight * (measuredMs - tokenMs);
        // JSON has no such numbers, and no client expects them.
        failAll(
          parts.filter((_, position) => outcome.vectors[position]?.every(Number.isFinite) === false),
          'The model makes of this input vectors that are no finite numbers.',
        );
        postVectors(parts, outcome.vectors);
      } catch (error) {
        failAll(parts, `The vectors cannot be made: ${error instanceof Error ? error.message : String(error)}`);
      }
    },
    dispose: () => embedder?.dispose(),
  };
}
