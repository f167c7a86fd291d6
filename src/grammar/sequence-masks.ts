// The masks of running sequences: each has a matcher that follows its output, in the instance of its grammar.
// Why a matcher is told tokens by count and not kept in step by events: whatever happens to a sequence (preempted, forked,
// continued after an engine's death) or to an instance, the next request says how far the output is, and the matcher catches up.

import { type OctetErrorBody, octetError } from '../errors.ts';
import type { GrammarCursor, MaskOutcome, SequenceMasks } from '../grammar-port.ts';
import type { SequenceId } from '../ids.ts';
import type { CompiledGrammars } from './compiled-grammars.ts';
import type { GrammarInstance } from './threads/instance.ts';

interface Follower {
  readonly instance: GrammarInstance;
  readonly matcher: number;
  readonly mask: Int32Array;
  /** Output tokens that the matcher has been told. */
  toldCount: number;
  /** The mask after `toldCount` tokens, computed or on its way. */
  outcome: Promise<MaskOutcome | 'lost'>;
}

export interface SequenceMasksOptions {
  readonly grammars: CompiledGrammars;
  readonly vocabularySize: number;
  /** One mask that takes longer fails its sequence. */
  readonly maskMsMax: number;
}

/** Instances that may be lost under one mask before its sequence is failed. */
const lossesMax = 2;

export function createSequenceMasks({
  grammars,
  vocabularySize,
  maskMsMax,
}: SequenceMasksOptions): Omit<SequenceMasks, 'takeCompiles' | 'takeMaskMs'> {
  const followers = new Map<SequenceId, Follower>();
  const held = new Map<SequenceId, GrammarCursor['grammar']>();
  const maskBytes = Math.ceil(vocabularySize / 32) * 4;
  let lastMatcher = 0;
  let preparingCount = 0;

  function open({ id, instance }: { id: number; instance: GrammarInstance }): Follower {
    lastMatcher += 1;
    const memory = new SharedArrayBuffer(maskBytes);
    instance.open(lastMatcher, id, memory);
    const outcome = Promise.resolve('lost' as const);
    return { instance, matcher: lastMatcher, mask: new Int32Array(memory), toldCount: -1, outcome };
  }

  /** Asks for the cursor's mask unless that was done; undefined when its grammar has to be compiled again first. */
  function follow(cursor: GrammarCursor): Follower | undefined {
    const known = followers.get(cursor.sequenceId);
    if (known !== undefined && !known.instance.isLost && known.toldCount <= cursor.generatedCount) {
      if (known.toldCount < cursor.generatedCount) tell(known, cursor);
      return known;
    }
    const grammar = grammars.find(cursor.grammar);
    if (grammar === undefined) return undefined;
    known?.instance.close(known.matcher);
    const follower = open(grammar);
    followers.set(cursor.sequenceId, follower);
    tell(follower, cursor);
    return follower;
  }

  function tell(follower: Follower, { tokens, tokenCount, generatedCount, avoidEnd }: GrammarCursor): void {
    const { instance, matcher, mask } = follower;
    const newCount = generatedCount - Math.max(0, follower.toldCount);
    const request = { matcher, tokens: tokens.slice(tokenCount - newCount, tokenCount), avoidEnd };
    follower.toldCount = generatedCount;
    follower.outcome = instance.mask(request).then((answer): MaskOutcome | 'lost' => {
      if (answer.kind === 'lost') return answer.matcher === matcher ? failed(answer.reason) : 'lost';
      if (answer.result === 'mask') return { kind: 'mask', mask };
      return answer.result === 'complete' ? { kind: 'complete' } : failed('a drawn token does not fit it');
    });
  }

  async function maskOf(cursor: GrammarCursor): Promise<MaskOutcome> {
    for (let losses = 0; losses < lossesMax; losses++) {
      let follower = follow(cursor);
      if (follower === undefined) {
        const error = await grammars.prepare(cursor.grammar);
        if (error !== undefined) return { kind: 'failed', error };
        follower = follow(cursor);
      }
      const outcome = await (follower?.outcome ?? 'lost');
      if (outcome !== 'lost') return outcome;
      followers.delete(cursor.sequenceId);
    }
    return failed('its instance was lost twice');
  }

  /** Ends instances that owe an answer for too long: the matcher that they work for is failed, the others go on elsewhere. */
  function endSilent(cursors: readonly GrammarCursor[]): void {
    for (const { sequenceId } of cursors) {
      followers.get(sequenceId)?.instance.end(`a mask took longer than ${maskMsMax} ms`);
    }
  }

  return {
    hold(sequenceId, grammar) {
      held.set(sequenceId, grammar);
      grammars.hold(grammar);
      return grammars.find(grammar) === undefined ? grammars.prepare(grammar) : undefined;
    },
    advance(cursors) {
      for (const cursor of cursors) follow(cursor);
    },
    async masks(cursors) {
      const waiting = new Set(cursors);
      const timer = setTimeout(() => endSilent([...waiting]), maskMsMax);
      const outcomes = await Promise.all(
        cursors.map(async (cursor) => {
          const outcome = await maskOf(cursor);
          waiting.delete(cursor);
          return outcome;
        }),
      );
      clearTimeout(timer);
      return outcomes;
    },
    release(sequenceId) {
      const follower = followers.get(sequenceId);
      follower?.instance.close(follower.matcher);
      followers.delete(sequenceId);
      const grammar = held.get(sequenceId);
      held.delete(sequenceId);
      if (grammar !== undefined) grammars.release(grammar);
    },
    async prepare(grammar) {
      preparingCount += 1;
      try {
        return await grammars.prepare(grammar);
      } finally {
        preparingCount -= 1;
      }
    },
    stats: () => ({ ...grammars.stats(), preparingCount }),
    dispose: () => grammars.dispose(),
  };
}

function failed(why: string): { readonly kind: 'failed'; readonly error: OctetErrorBody } {
  return { kind: 'failed', error: octetError('grammar_failed', `The output's grammar failed: ${why}.`) };
}
