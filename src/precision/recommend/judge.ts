// Judges finished mixes on the evaluation windows, exactly: the model as it is and the mix compute every row side by side.

import { compareExactly } from '../evaluate/likelihood.ts';
import { type Divergence, divergenceSchema } from '../evaluate/result-schema.ts';
import type { Window } from '../evaluate/windows.ts';
import { loadMix, type MixMeterOptions, mixKey } from './mix-meter.ts';
import type { TensorTypes } from './tensor-groups.ts';

export interface Judge {
  judge(types: TensorTypes): Promise<Divergence>;
}

/** `options.windows` are those of the evaluation text. */
export function createJudge(options: MixMeterOptions & { readonly onProgress: (windows: number) => void }): Judge {
  return {
    judge: (types) =>
      options.partial.piece([options.key, 'judged', mixKey(types)], divergenceSchema, () => compare(options, types)),
  };
}

async function compare(
  options: MixMeterOptions & { readonly windows: readonly Window[]; readonly onProgress: (windows: number) => void },
  types: TensorTypes,
): Promise<Divergence> {
  const { windows, threads, onProgress } = options;
  const kvTypes = { k: 'f16', v: 'f16' } as const;
  const model = await loadMix(options, types);
  try {
    const reference = await loadMix(options, new Map());
    try {
      return await compareExactly({
        model,
        kvTypes,
        threads,
        windows,
        onProgress,
        reference: { model: reference, kvTypes },
      });
    } finally {
      reference.dispose();
    }
  } finally {
    model.dispose();
  }
}
