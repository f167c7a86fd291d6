// Ctrl-C and SIGTERM for commands that have something to put in order before they end.

/** What a shell makes of a command that Ctrl-C ended. */
export const interruptedExitCode = 130;

export interface Interruption {
  /** Aborts on the first signal. */
  readonly signal: AbortSignal;
  readonly stop: () => void;
}

/** Watches for signals; on a second one `onSecond` is called, or nothing happens. */
export function watchInterruption(onSecond: () => void = () => undefined): Interruption {
  const controller = new AbortController();
  const signals = ['SIGINT', 'SIGTERM'] as const;
  const interrupt = (): void => {
    if (controller.signal.aborted) onSecond();
    else controller.abort();
  };
  for (const name of signals) process.on(name, interrupt);
  return {
    signal: controller.signal,
    stop() {
      for (const name of signals) process.off(name, interrupt);
    },
  };
}
