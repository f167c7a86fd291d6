// The ids under which a model is served: its own, and one for each adapter.

import type { ServedModel } from '../../routes/dependencies.ts';
import { withoutCredentials } from '../banner.ts';
import type { AdapterWish } from './adapter-list.ts';

/** The model, and the model with each of its adapters. */
export function servedModel(modelName: string, wishes: readonly AdapterWish[]): ServedModel {
  const adapters = wishes.map(({ name, path }) => ({
    id: `${modelName}:${name}`,
    name,
    path: withoutCredentials(path),
  }));
  return {
    ids: [modelName, ...adapters.map(({ id }) => id)],
    adapters,
    createdSeconds: Math.floor(Date.now() / 1000),
    ownedBy: 'octet',
  };
}
