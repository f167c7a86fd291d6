// Loads XGrammar's WebAssembly build, and catches what it says when it gives up.
// Why by hand: the package is a CommonJS bundle that its own package.json declares a module, so that neither import nor require
// takes it. Why its console is ours: on bad input it prints the reason and aborts, and the reason belongs in an answer.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { compileFunction } from 'node:vm';
import type * as XGrammar from '@mlc-ai/web-xgrammar';

export type Library = Pick<typeof XGrammar, 'TokenizerInfo' | 'GrammarCompiler' | 'GrammarMatcher'>;

/** Loads a fresh instance, with memory of its own; `onPrint` gets what it prints. */
export function loadLibrary(onPrint: (line: string) => void): Library {
  const require = createRequire(import.meta.url);
  const path = require.resolve('@mlc-ai/web-xgrammar');
  // A dynamic import inside a compiled function would need a flag; the bundle asks it for one module that Node has.
  const source = readFileSync(path, 'utf8').replaceAll(/await import\('module'\)/g, "require('module')");
  const print = (...parts: readonly unknown[]): void => onPrint(parts.map(String).join(' '));
  const console = { log: print, info: print, warn: print, error: print, debug: print };
  const exports: Record<string, unknown> = {};
  const names = ['exports', 'require', 'module', '__filename', '__dirname', 'console'];
  const load = compileFunction(source, names, { filename: path });
  Reflect.apply(load, exports, [exports, require, { exports }, path, dirname(path), console]);
  if (!isLibrary(exports))
    throw new Error('@mlc-ai/web-xgrammar has no GrammarCompiler: it is another release than this one');
  return exports;
}

function isLibrary(exports: Record<string, unknown>): exports is Library {
  return ['TokenizerInfo', 'GrammarCompiler', 'GrammarMatcher'].every((name) => typeof exports[name] === 'function');
}
