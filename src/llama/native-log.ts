// llama.cpp's log, as lines with levels.
// Why pieces are joined: llama.cpp writes one line in several calls, the later ones with level CONT.
// Why the last errors are kept: a failed load says why only in the log, and the error that reaches the operator should say it.

import koffi from 'koffi';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';
export type LogSink = (level: LogLevel, text: string) => void;

/** enum ggml_log_level. */
const levelNames: Readonly<Record<number, LogLevel>> = { 1: 'debug', 2: 'info', 3: 'warn', 4: 'error' };
const continuation = 5;
const errorsKeptMax = 4;

export interface NativeLog {
  /** Receives one piece from the native side. */
  write(level: number, piece: string): void;
  /** The last error lines since the last call, oldest first. */
  takeErrors(): readonly string[];
  /** What `attempt` may fail at by design is told as a detail: its errors become lines for debugging, and nobody's reason. */
  quietly<T>(attempt: () => T): T;
  /** Also gives each line to `listener`, until the function that it answers is called. */
  listen(listener: (text: string) => void): () => void;
}

/** Joins pieces into lines; each whole line goes to `sink` once. */
export function createNativeLog(sink: LogSink): NativeLog {
  let level: LogLevel = 'info';
  let pending = '';
  let errors: string[] = [];
  const listeners = new Set<(text: string) => void>();
  let isQuiet = false;

  function emit(line: string): void {
    if (line.trim() === '') return;
    if (level === 'error' && !isQuiet) errors = [...errors, line].slice(-errorsKeptMax);
    for (const listener of listeners) listener(line);
    sink(isQuiet && level === 'error' ? 'debug' : level, line);
  }

  return {
    write(nativeLevel, piece) {
      if (nativeLevel !== continuation) {
        const rest = pending;
        pending = '';
        emit(rest);
        level = levelNames[nativeLevel] ?? 'info';
      }
      const lines = (pending + piece).split('\n');
      pending = lines.pop() ?? '';
      for (const line of lines) emit(line);
    },
    takeErrors() {
      const taken = errors;
      errors = [];
      return taken;
    },
    quietly(attempt) {
      isQuiet = true;
      try {
        return attempt();
      } finally {
        isQuiet = false;
      }
    },
    listen(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

/** Registers the log as a C callback; it may be called from any thread and lives as long as the process. */
export function registerLog(log: NativeLog): bigint {
  const prototype = koffi.proto('void', ['int', 'str', 'void*']);
  return koffi.register(
    (level: number, piece: string | null) => log.write(level, piece ?? ''),
    koffi.pointer(prototype),
  );
}
