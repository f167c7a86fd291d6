// Inputs that wait for their vectors, and which of them the next pass computes. Pure.
// Why requests take turns, an input each: one with a thousand inputs must not keep another's single one waiting for all of them.
// Why only what is longer than a whole pass is cut: an input in one piece needs no cache between passes.

import { must } from '../assert.ts';
import type { EmbedCommand, EmbedderLimits, EmbedInput, PassPart } from '../embedding-port.ts';

/** A part of the next pass, and whose it is. */
export interface PlannedPart extends PassPart {
  readonly requestId: number;
  readonly index: number;
}

export interface EmbeddingQueue {
  submit(command: EmbedCommand): void;
  /** Unknown ids are ignored. */
  cancel(id: number): void;
  hasWork(): boolean;
  /** The next pass, of about `tokensMax` tokens; undefined when nothing waits. Takes its inputs out of the queue. */
  plan(tokensMax: number): readonly PlannedPart[] | undefined;
  /** Whether somebody still waits for this request's inputs. */
  isWanted(id: number): boolean;
  /** So many more of its inputs were answered. */
  answered(id: number, inputCount: number): void;
}

interface Waiting {
  readonly id: number;
  readonly inputs: readonly EmbedInput[];
  /** The first input that no pass has begun. */
  next: number;
}

/** An input of which a pass has computed a part. */
interface Begun {
  readonly requestId: number;
  readonly input: EmbedInput;
  readonly computed: number;
}

/** The lane of the one input that may be under way; whole inputs take those above it. */
const begunLane = 0;

export function createEmbeddingQueue(limits: EmbedderLimits): EmbeddingQueue {
  /** In the order of their turns. */
  let turns: Waiting[] = [];
  /** Inputs that are not answered, by request. */
  const wanted = new Map<number, number>();
  let begun: Begun | undefined;

  function plan(tokensMax: number): readonly PlannedPart[] | undefined {
    const cellsLeft = limits.cellCount - (begun?.computed ?? 0);
    const budget = Math.max(1, Math.min(tokensMax, limits.passTokensMax, cellsLeft));
    const parts: PlannedPart[] = begun === undefined ? [] : [continueInput(begun, budget)];
    let left = budget - parts.reduce((sum, { from, to }) => sum + to - from, 0);
    let lane = begunLane;
    let passed = 0;
    while (passed < turns.length && left > 0 && lane + 1 < limits.inputsMax) {
      const request = must(turns.shift(), 'a turn for each request');
      const input = must(request.inputs[request.next], 'a request in turn has inputs left');
      const length = input.tokens.length;
      if (length <= left || parts.length === 0) {
        lane += 1;
        const isCut = length > left && limits.splitsInputs;
        const to = isCut ? left : length;
        parts.push(partOf(request.id, input, { lane: isCut ? begunLane : lane, from: 0, to }));
        left -= to;
        request.next += 1;
        passed = 0;
      } else passed += 1;
      if (request.next < request.inputs.length) turns.push(request);
    }
    begun = parts.map(unfinished).find((part) => part !== undefined);
    return parts.length === 0 ? undefined : parts;
  }

  return {
    submit({ id, inputs }) {
      if (inputs.length === 0) return;
      wanted.set(id, inputs.length);
      turns.push({ id, inputs, next: 0 });
    },
    cancel(id) {
      wanted.delete(id);
      turns = turns.filter((request) => request.id !== id);
      if (begun?.requestId === id) begun = undefined;
    },
    hasWork: () => begun !== undefined || turns.length > 0,
    plan,
    isWanted: (id) => wanted.has(id),
    answered(id, inputCount) {
      const left = (wanted.get(id) ?? 0) - inputCount;
      if (left > 0) wanted.set(id, left);
      else wanted.delete(id);
    },
  };
}

function continueInput({ requestId, input, computed }: Begun, budget: number): PlannedPart {
  const to = Math.min(input.tokens.length, computed + budget);
  return partOf(requestId, input, { lane: begunLane, from: computed, to });
}

function partOf(
  requestId: number,
  { index, tokens }: EmbedInput,
  place: Pick<PassPart, 'lane' | 'from' | 'to'>,
): PlannedPart {
  return { requestId, index, tokens, ...place };
}

function unfinished({ requestId, index, tokens, to }: PlannedPart): Begun | undefined {
  return to < tokens.length ? { requestId, input: { index, tokens }, computed: to } : undefined;
}
