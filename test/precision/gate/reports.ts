// Evaluation reports for tests, as octet evaluate --json writes them: a reference run at f16 KV and one run beside it.

import type { Evaluation, EvaluationRun } from '../../../src/precision/evaluate/result-schema.ts';
import type { ServedPair } from '../../../src/precision/gate/accept-evaluation.ts';

export interface Answers {
  readonly count: number;
  readonly gained: number;
  readonly lost: number;
}

export function weightsOf(sha256: string): EvaluationRun['weights'] {
  return { label: 'm', path: 'm.gguf', sha256, fileBytes: 1, tensorBytes: 1, bitsPerWeight: 8, description: '' };
}

export function taskOf({ count, gained, lost }: Answers): EvaluationRun['tasks'][number] {
  const outcomes = Array.from({ length: count }, (_, index) => ({ id: `${index}`, score: 1, answer: 'x' }));
  const accuracy = { value: 1, standardError: 0, count, low: 1, high: 1 };
  const flips = { gained, lost, changed: gained + lost, chance: 0.5 };
  return { name: 'probes', kind: 'probes', accuracy, groups: [], outcomes, flips, seconds: 1 };
}

export interface RunChanges {
  readonly run?: Partial<EvaluationRun>;
  readonly reference?: Partial<EvaluationRun>;
}

/** A report of the pair's answers beside those of f16 KV. */
export function makeReport({ sha256, kv }: ServedPair, answers: Answers, changes: RunChanges = {}): Evaluation {
  const weights = weightsOf(sha256);
  return {
    kind: 'octet-evaluation',
    schema: 1,
    createdAt: '2026-01-01T00:00:00.000Z',
    seconds: 1,
    settings: {
      command: 'octet evaluate',
      suite: 'quick',
      metrics: ['tasks'],
      contextTokens: 512,
      seed: 0,
      threads: 1,
      tasks: [],
    },
    machine: { cpu: 'any', cores: 1, memoryBytes: 1, platform: 'any', device: 'CPU' },
    versions: { octet: '0.1.0', node: 'v20', llamaCpp: 'v0.5.0' },
    runs: [
      {
        id: 'f16',
        weights,
        kv: { k: 'f16', v: 'f16' },
        isReference: true,
        tasks: [],
        faults: [],
        ...changes.reference,
      },
      { id: 'kv', weights, kv, isReference: false, tasks: [taskOf(answers)], faults: [], ...changes.run },
    ],
    warnings: [],
  };
}
