// One XGrammar instance as its users see it: grammars to compile, matchers to open, masks to ask for.
// Why masks are gathered until the next microtask: a step asks for those of all its sequences, and one message serves them.

import type { GrammarSpec } from '../../grammar-port.ts';
import type { GrammarThread, StartThread } from './grammar-thread.ts';
import type { FromGrammarThread, MaskRequest, MaskResult } from './messages.ts';

/** The instance ended before it answered; `matcher` is the one that it worked for then, 0 for none. */
export interface Lost {
  readonly kind: 'lost';
  readonly reason: string;
  readonly matcher: number;
}

export interface GrammarInstance {
  /** Resolves when it takes work, or is lost. */
  readonly ready: Promise<void>;
  readonly isLost: boolean;
  compile(
    grammar: number,
    spec: GrammarSpec,
  ): Promise<{ readonly kind: 'compiled'; readonly elapsedMs: number } | Lost>;
  forget(grammar: number): void;
  open(matcher: number, grammar: number, mask: SharedArrayBuffer): void;
  close(matcher: number): void;
  mask(request: MaskRequest): Promise<{ readonly kind: 'answered'; readonly result: MaskResult } | Lost>;
  /** Ends it at once; whoever waits is told `reason`. */
  end(reason: string): void;
}

type Answer<T> = (answer: T | Lost) => void;

interface Pending {
  readonly compiles: Map<number, Answer<{ kind: 'compiled'; elapsedMs: number }>>;
  readonly rounds: Map<number, readonly Answer<{ kind: 'answered'; result: MaskResult }>[]>;
}

export function createInstance(startThread: StartThread, onMasks: (elapsedMs: number) => void): GrammarInstance {
  const pending: Pending = { compiles: new Map(), rounds: new Map() };
  let lost: Lost | undefined;
  let becomeReady: () => void = () => undefined;
  const ready = new Promise<void>((resolve) => {
    becomeReady = resolve;
  });
  const thread: GrammarThread = startThread({ onMessage: take, onLost: lose });
  let gathered: { request: MaskRequest; answer: Answer<{ kind: 'answered'; result: MaskResult }> }[] = [];
  let lastRound = 0;

  function take(message: FromGrammarThread): void {
    if (message.kind === 'ready') becomeReady();
    else if (message.kind === 'compiled') {
      pending.compiles.get(message.grammar)?.({ kind: 'compiled', elapsedMs: message.elapsedMs });
      pending.compiles.delete(message.grammar);
    } else if (message.kind === 'masked') {
      const answers = pending.rounds.get(message.round) ?? [];
      pending.rounds.delete(message.round);
      onMasks(message.elapsedMs);
      for (const [index, result] of message.results.entries()) answers[index]?.({ kind: 'answered', result });
    }
  }

  function lose(reason: string): void {
    if (lost !== undefined) return;
    lost = { kind: 'lost', reason, matcher: thread.currentMatcher() };
    becomeReady();
    for (const answer of pending.compiles.values()) answer(lost);
    for (const answer of [...pending.rounds.values()].flat()) answer(lost);
    pending.compiles.clear();
    pending.rounds.clear();
  }

  function flush(): void {
    const taken = gathered;
    gathered = [];
    const answers = taken.map(({ answer }) => answer);
    if (lost !== undefined) {
      for (const answer of answers) answer(lost);
      return;
    }
    lastRound += 1;
    pending.rounds.set(lastRound, answers);
    thread.send({ kind: 'masks', round: lastRound, requests: taken.map(({ request }) => request) });
  }

  return {
    ready,
    get isLost() {
      return lost !== undefined;
    },
    compile: (grammar, spec) =>
      new Promise((resolve) => {
        if (lost !== undefined) return resolve(lost);
        pending.compiles.set(grammar, resolve);
        thread.send({ kind: 'compile', grammar, spec });
      }),
    forget(grammar) {
      if (lost === undefined) thread.send({ kind: 'forget', grammar });
    },
    open(matcher, grammar, mask) {
      if (lost === undefined) thread.send({ kind: 'open', matcher, grammar, mask });
    },
    close(matcher) {
      if (lost === undefined) thread.send({ kind: 'close', matcher });
    },
    mask: (request) =>
      new Promise((resolve) => {
        gathered.push({ request, answer: resolve });
        if (gathered.length === 1) queueMicrotask(flush);
      }),
    end(reason) {
      if (lost !== undefined) return;
      lose(reason);
      thread.end();
    },
  };
}
