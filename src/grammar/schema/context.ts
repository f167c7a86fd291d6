// What the parts of the schema compiler share: the document, and the faults found so far.
// Why faults are collected: the client learns of all of them at once.

import type { Json, RuleFault } from '../types.ts';
import { pointerOf } from './located.ts';

export interface SchemaContext {
  readonly root: Json;
  readonly faults: RuleFault[];
}

/** More faults than this tell nothing new. */
export const faultsMax = 20;

/** Notes that something at a place would not be enforced. The same fault is noted once. */
export function refuse(context: SchemaContext, path: readonly (string | number)[], rule: string): void {
  const full = `${rule} (at ${pointerOf(path)} of the schema)`;
  const isKnown = context.faults.some((fault) => fault.rule === full);
  if (!isKnown && context.faults.length < faultsMax) context.faults.push({ path, rule: full });
}
