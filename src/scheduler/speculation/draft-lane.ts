// A draft model at work between the target's steps: reads what the sequences grew by, and guesses on, all sequences in one batch.
// A model's own multi-token head works in the same way; what its rows read beside tokens is in head-inputs.ts.
// Why a kernel of its own behind the same port: a smaller model with its own cache is all it is; the loop never lets both compute
// at once, since they share cores.
// Why it draws with the target's own parameters, seed and position: a draw is a function of those and of the logits, so that a draft
// model that thinks like the target draws like it, at any temperature. To the target such a guess is no random thing: it is taken
// exactly where the target's own draw is the same token, and where it is not, that draw is what goes on. This is the rejection
// sampling of speculative decoding for a proposal that is certain (q = 1 for the guess: it is kept with chance p(guess), and what is
// drawn otherwise is p without the guess), so what is drawn has the target's distribution, and even is the token that it would be.
// Source: Coupling without Communication and Drafter-Invariant Speculative Decoding (M. Daliri et al., 2024).

import { must } from '../../assert.ts';
import type { Kernel, SampleRow } from '../../kernel-port.ts';
import { sampleRow } from '../apply-step.ts';
import { type Sequence, writeAhead } from '../sequence.ts';
import { createDraftCells, type DraftCells } from './draft-cells.ts';
import type { LearnedDraftCosts } from './draft-costs.ts';
import { type Part, writeReads, writeRow } from './draft-rows.ts';
import type { DraftWish, Trial } from './plan-round.ts';
import type { RowInputs } from './row-inputs.ts';
import { type Drafter, type DrafterName, drafterEvidence, type Proposer } from './types.ts';

export interface DraftLaneOptions {
  readonly by: DrafterName;
  /** Of the draft model or the head: pooled, as many ids as sequences are guessed for at once. */
  readonly kernel: Kernel;
  readonly inputs: RowInputs;
  readonly costs: LearnedDraftCosts;
  /** Longest sequence that the draft model was made for. */
  readonly contextTokensMax: number;
  /** Tokens that both models know. */
  readonly vocabularySize: number;
  readonly endTokenIds: readonly number[];
  /** Milliseconds of a monotonic clock. */
  readonly now: () => number;
  readonly warn: (text: string) => void;
}

export interface DraftLane {
  /** Answers what was guessed. */
  readonly proposer: Proposer;
  readonly drafter: Drafter;
  /** Reads and guesses; what was guessed is proposed until the sequence grows. Rejects only on a bug. */
  compute(wishes: readonly DraftWish[]): Promise<readonly Trial[]>;
  /** Milliseconds of all rounds so far. */
  spentMs(): number;
  /** Before and after each step of the target (row-inputs.ts). */
  readonly wantsAll: RowInputs['wantsAll'];
  readonly observe: RowInputs['observe'];
  /** Lets go of sequences that have ended. */
  sweep(): void;
  /** Positions that its cache holds. */
  heldCount(): number;
  /** Laws that do not hold, in words. */
  check(): readonly string[];
  dispose(): void;
}

const names = { draft: 'the draft model', mtp: 'the multi-token head' } as const satisfies Record<DrafterName, string>;

/** Failures in a row after which it gives up. */
const failuresMax = 3;

/** What the lane's functions share. */
interface Lane {
  readonly options: DraftLaneOptions;
  readonly cells: DraftCells;
  readonly endTokens: ReadonlySet<number>;
  /** Counts the rounds. */
  round: number;
  failureCount: number;
  spentMs: number;
}

export function createDraftLane(options: DraftLaneOptions): DraftLane {
  const { kernel, inputs, now } = options;
  const cells = createDraftCells(kernel, inputs);
  const sweep = (): void => {
    cells.sweep();
    inputs.sweep();
  };
  const isOff = (): boolean => lane.failureCount >= failuresMax;
  const lane: Lane = {
    options,
    cells,
    endTokens: new Set<number>(options.endTokenIds),
    round: 0,
    failureCount: 0,
    spentMs: 0,
  };
  return {
    proposer: proposerOf(options.by, cells),
    drafter: drafterOf(lane, isOff),
    async compute(wishes) {
      const startedMs = now();
      lane.round += 1;
      sweep();
      const { guessing, trials } = await read(
        lane,
        wishes.flatMap((wish) => openPart(lane, wish)),
      );
      for (let parts = guessing; parts.length > 0; ) parts = await guess(lane, parts);
      lane.spentMs += now() - startedMs;
      return trials;
    },
    spentMs: () => lane.spentMs,
    wantsAll: (plan) => !isOff() && inputs.wantsAll(plan),
    observe(plan, step) {
      // Who has given up reads no more: what is kept goes with its sequences.
      inputs.observe(plan, isOff() ? { ...step, hidden: undefined } : step);
    },
    sweep,
    heldCount: cells.heldCount,
    check: cells.check,
    dispose: kernel.dispose,
  };
}

function proposerOf(by: DrafterName, cells: DraftCells): Proposer {
  return {
    evidenceLevels: drafterEvidence[by].evidenceMax + 1,
    follow: () => ({
      propose(sequence, countMax) {
        const entry = cells.find(sequence);
        if (entry === undefined || entry.guesses.length === 0 || entry.guessedAt !== sequence.tokenCount)
          return undefined;
        const { guesses } = entry;
        const tokens = Int32Array.from(guesses.slice(0, countMax));
        return { by, tokens, availableCount: guesses.length, ...drafterEvidence[by] };
      },
    }),
  };
}

function drafterOf({ options, cells }: Lane, isOff: Drafter['isOff']): Drafter {
  const { limits } = options.kernel;
  return {
    by: options.by,
    costs: options.costs,
    tokensMax:
      options.inputs.spanMax === undefined
        ? Math.min(options.contextTokensMax, limits.cellCount)
        : options.contextTokensMax,
    sequencesMax: limits.cacheSeqCount,
    readTokensMax: limits.batchTokensMax,
    canRead: (sequence) => cells.readFrom(sequence) !== undefined,
    missingCount: (sequence) => sequence.tokenCount - (cells.readFrom(sequence) ?? 0),
    isOff,
  };
}

function openPart({ cells, round }: Lane, wish: DraftWish): Part[] {
  const { sequence } = wish;
  const entry = cells.open(sequence, round);
  return entry === undefined ? [] : [{ wish, sequence, entry }];
}

/** Reads what the parts' sequences grew by, and draws their first guesses. */
async function read(
  lane: Lane,
  parts: readonly Part[],
): Promise<{ readonly guessing: Part[]; readonly trials: readonly Trial[] }> {
  const { kernel, costs, now } = lane.options;
  const startedMs = now();
  const { rowCount, drawn } = writeReads({ ...lane.options, ...lane }, parts);
  const draws = drawn.map(({ row }) => row);
  if (rowCount === 0 || !(await decode(lane, rowCount, draws))) return { guessing: [], trials: [] };
  const tokens = await kernel.sample(draws);
  // One or two tokens of each sequence are no more than a guess is.
  if (rowCount > 2 * parts.length) costs.observeRead(rowCount, now() - startedMs, draws.length);
  else costs.observeGuess(parts.length, now() - startedMs);
  const guessing: Part[] = [];
  const hits = new Map<Sequence, boolean[]>();
  for (const [index, { part, row, known }] of drawn.entries()) {
    const token = must(tokens[index], 'one draw per row');
    if (known !== undefined) hits.set(part.sequence, [...(hits.get(part.sequence) ?? []), token === known]);
    else if (take(lane, part, { row: row.batchIndex, token })) guessing.push(part);
  }
  return { guessing, trials: [...hits].map(([sequence, found]) => ({ sequence, hits: found })) };
}

/** One more guess for each; answers those that have one and want more. */
async function guess(lane: Lane, parts: readonly Part[]): Promise<Part[]> {
  const { kernel, costs, now } = lane.options;
  const wanting = parts.filter(
    ({ sequence, entry, wish }) => sequence.state === 'running' && entry.guesses.length < wish.guessCount,
  );
  if (wanting.length === 0 || !lane.cells.reserve(wanting.length, lane.round)) return [];
  const startedMs = now();
  const rows = wanting.map((part, index) => {
    const { sequence, entry } = part;
    writeAhead(sequence, Int32Array.from(entry.guesses));
    writeRow(lane.options, index, { part, position: sequence.tokenCount + entry.guesses.length - 1 });
    kernel.batch.outputs[index] = 1;
    return sampleRow(sequence, index, entry.guesses.length);
  });
  if (!(await decode(lane, wanting.length, rows))) return [];
  for (const { entry } of wanting) entry.heldCount += 1;
  const tokens = await kernel.sample(rows);
  costs.observeGuess(wanting.length, now() - startedMs);
  return wanting.filter((part, row) => take(lane, part, { row, token: must(tokens[row], 'one draw per row') }));
}

/** False where the kernels failed: what the cache holds is unknown then, and everything is read again. */
async function decode(lane: Lane, rowCount: number, draws: readonly SampleRow[]): Promise<boolean> {
  const { by, kernel, warn } = lane.options;
  const outcome = await kernel.decode(rowCount, () => draws);
  lane.failureCount = outcome.kind === 'done' ? 0 : lane.failureCount + 1;
  if (outcome.kind === 'done') return true;
  lane.cells.clear();
  if (lane.failureCount === failuresMax)
    warn(`${names[by]} guesses no more: ${outcome.kind === 'failed' ? outcome.reason : 'its cache had no room'}`);
  return false;
}

/** Whether the guess was taken: nothing is guessed beyond what ends a sequence. */
function take(
  { options, endTokens }: Lane,
  { sequence, entry }: Part,
  { row, token }: { readonly row: number; readonly token: number },
): boolean {
  const isKnown = token >= 0 && token < options.vocabularySize;
  if (!isKnown || endTokens.has(token) || sequence.command.stopTokenIds.some((stop) => stop === token)) return false;
  entry.guesses.push(token);
  options.inputs.keep(row, entry);
  return true;
}
