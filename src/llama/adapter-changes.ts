// Which adapter a context has, and the silence of the step after a change (adapters.ts says why).

import { assert } from '../assert.ts';
import type { Kernel } from '../kernel-port.ts';
import type { LoadedAdapters } from './adapters.ts';
import type { LlamaModel } from './model.ts';
import type { ContextPointer } from './native.ts';

export interface AdapterSource {
  readonly model: LlamaModel;
  readonly adapters?: LoadedAdapters;
}

export interface AdapterChanges {
  readonly use: Kernel['useAdapter'];
  /** Answers what to call once the step has ended. */
  readonly beforeStep: () => () => void;
}

export function createAdapterChanges({ adapters, model }: AdapterSource, context: ContextPointer): AdapterChanges {
  let current: string | undefined;
  let hasChanged = false;
  return {
    use(name) {
      if (name === current) return;
      assert(adapters !== undefined, `a kernel without adapters has none named ${name}`);
      adapters.apply(context, name);
      current = name;
      hasChanged = true;
    },
    beforeStep() {
      if (!hasChanged) return () => undefined;
      hasChanged = false;
      return model.libraries.silence();
    },
  };
}
