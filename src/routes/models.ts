// GET /v1/models and /v1/models/{id}.

import type { ServedModel } from './dependencies.ts';

interface WireModel {
  readonly id: string;
  readonly object: 'model';
  readonly created: number;
  readonly owned_by: string;
}

export function modelBody(id: string, model: ServedModel): WireModel {
  return { id, object: 'model', created: model.createdSeconds, owned_by: model.ownedBy };
}

export function modelListBody(model: ServedModel): { object: 'list'; data: WireModel[] } {
  return { object: 'list', data: model.ids.map((id) => modelBody(id, model)) };
}
