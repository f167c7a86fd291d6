// Who guesses, and within which bounds, from what the operator asked for.

import type { KernelLimits } from '../../kernel-port.ts';
import type { DraftLane } from '../../scheduler/speculation/draft-lane.ts';
import { joinProposers } from '../../scheduler/speculation/join-proposers.ts';
import { createLookupProposer } from '../../scheduler/speculation/lookup-proposer.ts';
import type { SpeculationOptions } from '../../scheduler/speculation/speculation.ts';
import type { EngineConfiguration, SpeculationConfiguration } from './engine-configuration.ts';

/** Undefined where none is wanted, or where wrong guesses could not be taken back. */
export function speculationOf(
  { speculation }: EngineConfiguration,
  limits: KernelLimits,
  { drafts, extraRowsMax }: { readonly drafts: DraftLane | undefined; readonly extraRowsMax: number },
): SpeculationOptions | undefined {
  if (speculation === undefined || !limits.sharesPrefixes) return undefined;
  const proposers = proposersOf(speculation, drafts);
  if (proposers === undefined) return undefined;
  const { draftTokensMax, computes } = speculation;
  return { ...proposers, draftTokensMax, extraRowsMax, equalRows: limits.layout === 'per-sequence', computes };
}

/** Longer matches than the shortest that are told apart. */
const matchLevels = 30;

function proposersOf(
  { lookup }: SpeculationConfiguration,
  drafts: DraftLane | undefined,
): Pick<SpeculationOptions, 'proposer' | 'drafter'> | undefined {
  if (lookup === undefined)
    return drafts === undefined ? undefined : { proposer: drafts.proposer, drafter: drafts.drafter };
  const proposer = createLookupProposer({ ...lookup, matchTokensMax: lookup.matchTokensMin + matchLevels });
  if (drafts === undefined) return { proposer };
  return { proposer: joinProposers(proposer, drafts.proposer), drafter: drafts.drafter };
}
