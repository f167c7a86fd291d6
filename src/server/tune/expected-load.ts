// The load that the KV layouts are weighed for, from what the operator says of it. Pure.
// Why it is told and not learned: what a server happened to serve yesterday would change its layout at a restart, and nobody could
// say why; four numbers can be read off the result.

import { formatCount } from '../../format.ts';
import { lengthOf } from '../../kv/layout-model/load-speed.ts';
import type { ExpectedLoad } from '../../kv/layout-model/types.ts';

/** What was not said is undefined. */
export type LoadWish = { readonly [Name in keyof ExpectedLoad]: number | undefined };

/** A chat's turn of ordinary length. */
export const usualLoad = { promptTokens: 512, outputTokens: 128, sharedTokens: 0 } as const;

export interface LoadLimits {
  readonly sequencesMax: number;
  /** Of one sequence. */
  readonly contextTokensMax: number;
}

/**
 * Fills in what was not said, shorter than usual where what was said leaves less of the longest sequence. Throws an Error on a
 * request that is too long.
 */
export function expectedLoad(wish: LoadWish, { sequencesMax, contextTokensMax }: LoadLimits): ExpectedLoad {
  const { promptTokens = 0, outputTokens = 0, sharedTokens = usualLoad.sharedTokens } = wish;
  const left = contextTokensMax - sharedTokens - promptTokens - outputTokens;
  const usual = (name: 'promptTokens' | 'outputTokens', share: number): number =>
    wish[name] ?? Math.max(1, Math.min(usualLoad[name], Math.floor(left / share)));
  const load = {
    streams: wish.streams ?? sequencesMax,
    promptTokens: usual('promptTokens', 2),
    outputTokens: usual('outputTokens', 8),
    sharedTokens,
  };
  const fault = lengthFault(load, contextTokensMax);
  if (fault !== undefined) throw new Error(fault);
  return load;
}

/** Why such a request could not be served. */
export function lengthFault(load: Omit<ExpectedLoad, 'streams'>, contextTokensMax: number): string | undefined {
  const length = lengthOf(load);
  if (length <= contextTokensMax) return undefined;
  return (
    `--shared-prefix, --prompt-tokens and --output-tokens must be <= ${formatCount(contextTokensMax)} tokens together, ` +
    `the longest that a sequence may be. Given: ${formatCount(length)}`
  );
}
