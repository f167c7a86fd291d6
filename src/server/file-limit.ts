// Whether this process may open as many files as the settings let connections wait: each open stream is one descriptor.
// Why told at start: beyond it libuv accepts a connection only to close it, so that nobody is answered and nothing is logged.
// Source: proc_pid_limits(5). Node raises its own soft limit to the hard one when it starts, so this reads what counts.

import { readFileSync } from 'node:fs';

/** Descriptors that are no connections: libraries, the model's vocabulary, the engine's channel, log, epoll, probes. */
const ownFiles = 64;

/** The most files this process may open; undefined where the system does not say. */
export function openFilesMax(limitsFile = '/proc/self/limits'): number | undefined {
  try {
    const soft = /^Max open files\s+(\S+)/m.exec(readFileSync(limitsFile, 'utf8'))?.[1];
    if (soft === 'unlimited') return Number.POSITIVE_INFINITY;
    return soft === undefined ? undefined : Number(soft);
  } catch {
    return undefined;
  }
}

export interface StreamLimits {
  /** Requests that may wait, and run. */
  readonly queueRequestsMax: number;
  readonly sequencesMax: number;
}

/** What to tell the operator; undefined where the limit suffices or is not known. */
export function fileLimitWarning(
  { queueRequestsMax, sequencesMax }: StreamLimits,
  filesMax: number | undefined,
): string | undefined {
  const wanted = queueRequestsMax + sequencesMax + ownFiles;
  if (filesMax === undefined || filesMax >= wanted) return undefined;
  return (
    `this process may open ${filesMax} files, but ${wanted} are needed for ${queueRequestsMax} waiting and ${sequencesMax} running ` +
    `requests over connections of their own: raise the limit (ulimit -n ${wanted}, LimitNOFILE=${wanted}, docker run --ulimit nofile=${wanted}) ` +
    `or lower --queue-requests-max; connections beyond it are closed unanswered`
  );
}
