// Compiled grammars, kept by their text while there is room, and the instances they live in.
//
//   trial instance    compiles every grammar first, with a time limit; a grammar that is too slow or aborts it is refused
//   shared instance   holds the grammars that compiled quickly, compiled once more; all their sequences are served by it
//   own instance      a grammar that compiled slowly stays in the instance that did it, and the next trial gets a new one
//
// Why twice: a grammar cannot leave its instance, and an instance that compiles answers no masks. Sequences then never wait for
// a stranger's slow grammar, only for `quickMs` at most.

import { type OctetErrorBody, octetError } from '../errors.ts';
import type { GrammarCompile, GrammarSpec, GrammarStats } from '../grammar-port.ts';
import { createTrials, type Trials } from './compile-trials.ts';
import type { GrammarInstance } from './threads/instance.ts';

export interface CompiledGrammar {
  readonly id: number;
  readonly instance: GrammarInstance;
}

export interface CompiledGrammars {
  /** Compiles unless it is known; answers why it cannot be used, or undefined when it can. */
  prepare(spec: GrammarSpec): Promise<OctetErrorBody | undefined>;
  /** The grammar if it is compiled and its instance lives. */
  find(spec: GrammarSpec): CompiledGrammar | undefined;
  /** One more, or one fewer, sequence that uses it. Used grammars are never dropped. */
  hold(spec: GrammarSpec): void;
  release(spec: GrammarSpec): void;
  stats(): Omit<GrammarStats, 'preparingCount'>;
  dispose(): void;
}

export interface CompiledGrammarsOptions {
  readonly createInstance: () => GrammarInstance;
  readonly timeoutMs: number;
  /** Grammars that nobody uses, beyond which the one unused for longest is dropped. */
  readonly unusedMax?: number;
  readonly quickMs?: number;
  readonly onCompile?: (compile: GrammarCompile) => void;
}

interface Entry {
  readonly id: number;
  readonly key: string;
  readonly spec: GrammarSpec;
  state:
    | { readonly kind: 'compiling'; readonly done: Promise<OctetErrorBody | undefined> }
    | { readonly kind: 'ready'; readonly instance: GrammarInstance; readonly isOwn: boolean }
    | { readonly kind: 'refused' | 'late'; readonly error: OctetErrorBody }
    /** No fault of the grammar: it is compiled again when it is asked for next. */
    | { readonly kind: 'failed'; readonly error: OctetErrorBody };
  userCount: number;
}

type Settled = Exclude<Entry['state'], { readonly kind: 'compiling' }>;

const unusedMaxUsual = 64;
const ownUnusedMax = 2;
/** Each instance holds the vocabulary once more: tens of megabytes. With so many, slow grammars go where the quick ones are. */
const ownMax = 4;
const quickMsUsual = 250;

export function createCompiledGrammars(options: CompiledGrammarsOptions): CompiledGrammars {
  const { unusedMax = unusedMaxUsual, quickMs = quickMsUsual, onCompile = () => undefined } = options;
  /** Least recently used first. */
  const entries = new Map<string, Entry>();
  const trials: Trials = createTrials(options);
  let shared: GrammarInstance | undefined;
  let lastId = 0;
  const totals = { hits: 0, misses: 0, evictions: 0 };

  function sharedInstance(): GrammarInstance {
    if (shared === undefined || shared.isLost) shared = options.createInstance();
    return shared;
  }

  function ownCount(): number {
    return [...entries.values()].filter(({ state }) => state.kind === 'ready' && state.isOwn).length;
  }

  function start(spec: GrammarSpec, key: string): Entry {
    lastId += 1;
    const id = lastId;
    const entry: Entry = {
      id,
      key,
      spec,
      userCount: 0,
      state: { kind: 'compiling', done: Promise.resolve(undefined) },
    };
    entries.set(key, entry);
    compileInto(entry);
    return entry;
  }

  function compileInto(entry: Entry): void {
    const startedMs = performance.now();
    const done = compile(entry)
      .catch((reason: unknown): Settled => ({ kind: 'failed', error: octetError('internal_error', String(reason)) }))
      .then((state) => {
        entry.state = state;
        const outcome = state.kind === 'ready' ? 'compiled' : state.kind;
        onCompile({ outcome, elapsedMs: performance.now() - startedMs });
        shrink();
        return state.kind === 'ready' ? undefined : state.error;
      });
    entry.state = { kind: 'compiling', done };
  }

  async function compile({ id, spec }: Entry): Promise<Settled> {
    // Both may have to start: at the same time.
    sharedInstance();
    const trial = await trials.run(id, spec, ownCount() < ownMax ? quickMs : Number.POSITIVE_INFINITY);
    if (trial.kind === 'refused' || trial.kind === 'late') {
      return { kind: trial.kind, error: octetError('grammar_failed', trial.reason) };
    }
    if (trial.kind === 'slow') return { kind: 'ready', instance: trial.instance, isOwn: true };
    const instance = sharedInstance();
    await instance.ready;
    const again = await instance.compile(id, spec);
    if (again.kind === 'compiled') return { kind: 'ready', instance, isOwn: false };
    return { kind: 'refused', error: octetError('grammar_failed', `The grammar cannot be compiled: ${again.reason}`) };
  }

  /** Moves an entry to the end of the order and makes sure that it is usable, or on its way. */
  function touch(spec: GrammarSpec): Entry {
    const key = keyOf(spec);
    const entry = entries.get(key) ?? start(spec, key);
    entries.delete(key);
    entries.set(key, entry);
    const { state } = entry;
    if (state.kind === 'failed' || (state.kind === 'ready' && state.instance.isLost)) compileInto(entry);
    return entry;
  }

  function shrink(): void {
    const unused = [...entries.values()].filter(
      ({ userCount, state }) => userCount === 0 && state.kind !== 'compiling',
    );
    const own = unused.filter(({ state }) => state.kind === 'ready' && state.isOwn);
    for (const entry of [...own.slice(0, -ownUnusedMax), ...unused.slice(0, -unusedMax)]) drop(entry);
  }

  function drop({ key, id, state }: Entry): void {
    if (!entries.delete(key)) return;
    totals.evictions += 1;
    if (state.kind !== 'ready') return;
    if (state.isOwn) state.instance.end('its grammar was dropped');
    else state.instance.forget(id);
  }

  return {
    async prepare(spec) {
      const before = entries.get(keyOf(spec))?.state;
      const { state } = touch(spec);
      totals[before === state ? 'hits' : 'misses'] += 1;
      if (state.kind === 'compiling') return state.done;
      return state.kind === 'ready' ? undefined : state.error;
    },
    find(spec) {
      const { id, state } = touch(spec);
      return state.kind === 'ready' && !state.instance.isLost ? { id, instance: state.instance } : undefined;
    },
    hold(spec) {
      touch(spec).userCount += 1;
    },
    release(spec) {
      const entry = entries.get(keyOf(spec));
      if (entry !== undefined) entry.userCount -= 1;
      shrink();
    },
    stats: () => ({
      grammarCount: [...entries.values()].filter(({ state }) => state.kind === 'ready').length,
      grammarHitCount: totals.hits,
      grammarMissCount: totals.misses,
      grammarEvictionCount: totals.evictions,
    }),
    dispose() {
      trials.dispose();
      shared?.end('the engine ends');
      for (const { state } of entries.values()) if (state.kind === 'ready') state.instance.end('the engine ends');
    },
  };

  function keyOf(spec: GrammarSpec): string {
    return spec.kind === 'ebnf' ? `ebnf ${spec.text}` : `tag ${spec.tag}`;
  }
}
