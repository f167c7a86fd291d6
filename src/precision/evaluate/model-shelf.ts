// Loaded models by path: the reference's stays while the cells' come and go.

import type { Libraries } from '../../llama/libraries.ts';
import { type LlamaModel, loadModel } from '../../llama/model.ts';

export interface ModelShelf {
  /** The model of a file, loaded unless it is there. */
  take(path: string): Promise<LlamaModel>;
  /** Frees every model but one; kernels on the others must be gone. */
  keepOnly(path: string): void;
  dispose(): void;
}

export function createModelShelf(libraries: Libraries, gpuLayers: number): ModelShelf {
  const models = new Map<string, LlamaModel>();
  const drop = (isKept: (path: string) => boolean) => {
    for (const [path, model] of [...models]) {
      if (isKept(path)) continue;
      models.delete(path);
      model.dispose();
    }
  };
  return {
    async take(path) {
      const known = models.get(path);
      if (known !== undefined) return known;
      const model = await loadModel({ libraries, path, load: 'weights', gpuLayers });
      models.set(path, model);
      return model;
    },
    keepOnly: (path) => drop((kept) => kept === path),
    dispose: () => drop(() => false),
  };
}
