// Judges finished mixes on the evaluation windows, exactly: the model as it is and the mix compute every row side by side.

import { compareExactly } from '../evaluate/likelihood.ts';
import { type Divergence, divergenceSchema } from '../evaluate/result-schema.ts';
import type { Window } from '../evaluate/windows.ts';
import { loadMix, type Mix, type MixMeterOptions } from './mix-meter.ts';
import { mixKey } from './tensor-groups.ts';

export interface Judge {
  judge(mix: Mix): Promise<Divergence>;
}

/** `options.windows` are those of the evaluation text. */
export function createJudge(options: MixMeterOptions & { readonly onProgress: (windows: number) => void }): Judge {
  return {
    async judge(mix) {
      const key = [options.key, 'judged', mixKey(mix.types), ...(await options.shelf.keyOf(mix.moved))];
      return options.partial.piece(key, divergenceSchema, () => compare(options, mix));
    },
  };
}

async function compare(
  options: MixMeterOptions & { readonly windows: readonly Window[]; readonly onProgress: (windows: number) => void },
  mix: Mix,
): Promise<Divergence> {
  const { windows, threads, onProgress } = options;
  const kvTypes = { k: 'f16', v: 'f16' } as const;
  const model = await loadMix(options, mix);
  try {
    const reference = await loadMix(options, { types: new Map() });
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
