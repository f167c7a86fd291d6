// What is said of measured layouts beside what the two come to: how far it reaches beyond what was timed. Pure.

import { formatCount } from '../../format.ts';
import type { KvLayout } from '../../kernel-port.ts';
import type { ExpectedLoad } from '../../kv/layout-model/types.ts';
import type { WeighedLayouts } from '../engine/weigh-layouts.ts';
import { deepTokensOf, type LayoutSizes } from './layout-points.ts';

export interface LayoutVerdict {
  readonly layout: KvLayout;
  readonly text: string;
}

/** Where no difference is certain, slabs: they suffice, or nothing would have been measured. */
export function verdictOf(
  { faster, text }: Pick<WeighedLayouts, 'faster' | 'text'>,
  load: ExpectedLoad,
  sizes: Pick<LayoutSizes, 'deepTokens'>,
): LayoutVerdict {
  const told = [
    faster === undefined ? `no certain difference: ${text}` : text,
    depthText(load, sizes),
    faster === 'pooled' ? knobsText : undefined,
  ];
  return { layout: faster ?? 'per-sequence', text: told.filter((part) => part !== undefined).join('; ') };
}

/** What memory cut, or undefined: the cost of what lies deeper is extrapolated. */
export function depthText(load: ExpectedLoad, { deepTokens }: Pick<LayoutSizes, 'deepTokens'>): string | undefined {
  const wanted = deepTokensOf(load);
  if (deepTokens >= wanted) return undefined;
  return (
    `memory let ${formatCount(deepTokens)} tokens of a sequence be timed, ` +
    `and from these the ${formatCount(wanted)} that it has of this load are reckoned`
  );
}

const knobsText =
  'knobs were tried with slabs alone, and others may be faster in the pool: octet tune --kv-layout pooled times them there';
