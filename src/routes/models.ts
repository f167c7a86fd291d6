// GET /v1/models and /v1/models/{id}.

import type { ServedModel } from './dependencies.ts';

interface WireModel {
  readonly id: string;
  readonly object: 'model';
  readonly created: number;
  readonly owned_by: string;
  /** As vLLM tells it: where the weights that make this model are from, and the model that an adapter belongs to. */
  readonly root: string;
  readonly parent: string | null;
}

export function modelBody(id: string, model: ServedModel): WireModel {
  const adapter = model.adapters.find((candidate) => candidate.id === id);
  return {
    id,
    object: 'model',
    created: model.createdSeconds,
    owned_by: model.ownedBy,
    root: adapter?.path ?? model.ids[0],
    parent: adapter === undefined ? null : model.ids[0],
  };
}

export function modelListBody(model: ServedModel): { object: 'list'; data: WireModel[] } {
  return { object: 'list', data: model.ids.map((id) => modelBody(id, model)) };
}
