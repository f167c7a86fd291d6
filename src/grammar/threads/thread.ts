// A grammar thread: one XGrammar instance with its compiled grammars and the matchers of running sequences.
// Why a thread: compiling may take seconds and masks a millisecond, and the engine's thread has steps to feed.
// Why it ends on an abort: WebAssembly that aborted may have left its memory half changed.

import { parentPort, workerData } from 'node:worker_threads';
import type { CompiledGrammar, GrammarCompiler, GrammarMatcher } from '@mlc-ai/web-xgrammar';
import { assertNever } from '../../assert.ts';
import type { GrammarSpec } from '../../grammar-port.ts';
import { type Library, loadLibrary } from './library.ts';
import type { FromGrammarThread, GrammarThreadStart, MaskRequest, MaskResult, ToGrammarThread } from './messages.ts';

interface Matcher {
  readonly native: GrammarMatcher;
  readonly mask: Int32Array;
}

interface ThreadState {
  readonly library: Library;
  readonly compiler: GrammarCompiler;
  readonly grammars: Map<number, CompiledGrammar>;
  readonly matchers: Map<number, Matcher>;
  readonly endTokenIds: readonly number[];
  readonly current: Int32Array;
}

/** The last lines that the instance printed: the reason is among them. */
const printed: string[] = [];
const printedMax = 4;

function post(message: FromGrammarThread): void {
  parentPort?.postMessage(message);
}

async function start({ vocabulary, current }: GrammarThreadStart): Promise<ThreadState> {
  const library = loadLibrary((line) => {
    printed.push(line);
    if (printed.length > printedMax) printed.shift();
  });
  const { lines, endTokenIds } = vocabulary;
  const texts = lines.split('\n');
  const size = texts.length;
  const tokens = await library.TokenizerInfo.createTokenizerInfo(texts, 'byte_level', false, size, [...endTokenIds]);
  return {
    library,
    // Its own cache would grow without a bound; grammars are kept and dropped by the thread's owner.
    compiler: await library.GrammarCompiler.createGrammarCompiler(tokens, false),
    grammars: new Map(),
    matchers: new Map(),
    endTokenIds,
    current: new Int32Array(current),
  };
}

async function take(state: ThreadState, message: ToGrammarThread): Promise<void> {
  switch (message.kind) {
    case 'compile': {
      const startedMs = performance.now();
      state.grammars.set(message.grammar, await compile(state.compiler, message.spec));
      post({ kind: 'compiled', grammar: message.grammar, elapsedMs: performance.now() - startedMs });
      return;
    }
    case 'forget':
      state.grammars.get(message.grammar)?.dispose();
      state.grammars.delete(message.grammar);
      return;
    case 'open': {
      const grammar = state.grammars.get(message.grammar);
      if (grammar === undefined) throw new Error(`grammar ${message.grammar} is not in this thread`);
      const native = await state.library.GrammarMatcher.createGrammarMatcher(grammar);
      state.matchers.set(message.matcher, { native, mask: new Int32Array(message.mask) });
      return;
    }
    case 'close':
      state.matchers.get(message.matcher)?.native.dispose();
      state.matchers.delete(message.matcher);
      return;
    case 'masks': {
      const startedMs = performance.now();
      const results: MaskResult[] = [];
      for (const request of message.requests) results.push(await fillMask(state, request));
      post({ kind: 'masked', round: message.round, results, elapsedMs: performance.now() - startedMs });
      return;
    }
    default:
      assertNever(message);
  }
}

function compile(compiler: GrammarCompiler, spec: GrammarSpec): Promise<CompiledGrammar> {
  return spec.kind === 'ebnf' ? compiler.compileGrammar(spec.text, 'root') : compiler.compileStructuralTag(spec.tag);
}

async function fillMask(state: ThreadState, { matcher, tokens, avoidEnd }: MaskRequest): Promise<MaskResult> {
  const found = state.matchers.get(matcher);
  if (found === undefined) throw new Error(`matcher ${matcher} is not in this thread`);
  Atomics.store(state.current, 0, matcher);
  const isAccepted = tokens.every((token) => found.native.acceptToken(token));
  if (isAccepted && !found.native.isTerminated()) found.mask.set(await found.native.getNextTokenBitmask());
  else found.mask.fill(0);
  Atomics.store(state.current, 0, 0);
  if (!isAccepted) return 'rejected';
  if (avoidEnd) clearEnds(found.mask, state.endTokenIds);
  return found.mask.every((word) => word === 0) ? 'complete' : 'mask';
}

/** Takes the end tokens out of a mask that allows anything else. */
function clearEnds(mask: Int32Array, endTokenIds: readonly number[]): void {
  const before = mask.slice();
  for (const token of endTokenIds) {
    const word = token >>> 5;
    mask[word] = (mask[word] ?? 0) & ~(1 << (token & 31));
  }
  if (mask.every((word) => word === 0)) mask.set(before);
}

function breakDown(error: unknown): void {
  const reason =
    printed.find((line) => line.includes('[FATAL]')) ?? (error instanceof Error ? error.message : String(error));
  post({ kind: 'broken', reason: reason.replace(/^.*?\[FATAL\]\s*\S+:\d+:\s*/s, '').trim() });
  parentPort?.close();
}

async function run(): Promise<void> {
  const state = await start(workerData);
  let working: Promise<void> = Promise.resolve();
  let isBroken = false;
  parentPort?.on('message', (message: ToGrammarThread) => {
    working = working.then(async () => {
      if (isBroken) return;
      try {
        await take(state, message);
      } catch (error) {
        isBroken = true;
        breakDown(error);
      }
    });
  });
  post({ kind: 'ready' });
}

run().catch(breakDown);
