// What a server under test writes to its terminal: JSON log lines, and whatever else comes out.

import type { ChildProcess } from 'node:child_process';

export interface LogLine {
  readonly msg: string;
  readonly level: number;
  readonly [key: string]: unknown;
}

export interface ServerLog {
  readonly lines: readonly LogLine[];
  /** Resolves with the first line of this message, counting from line `after` on; rejects when none comes in time. */
  logged(message: string, after?: number): Promise<LogLine>;
  /** Nothing more will come: rejects everyone who waits. */
  close(reason: string): void;
}

/** Generous: two cores may be busy with anything. */
const waitMsMax = 120_000;
const shownLinesMax = 60;

export function createServerLog(child: ChildProcess): ServerLog {
  const lines: LogLine[] = [];
  const watchers = new Set<() => void>();
  let other = '';
  let unfinished = '';
  let closed: string | undefined;

  function take(chunk: Buffer): void {
    const pieces = (unfinished + chunk.toString('utf8')).split('\n');
    unfinished = pieces.pop() ?? '';
    for (const piece of pieces) {
      if (piece.startsWith('{')) lines.push(JSON.parse(piece));
      else other += `${piece}\n`;
    }
    for (const watcher of [...watchers]) watcher();
  }

  function describe(): string {
    return `${lines
      .slice(-shownLinesMax)
      .map((line) => JSON.stringify(line))
      .join('\n')}\n${other}`;
  }

  child.stderr?.on('data', take);
  child.stdout?.on('data', (chunk: Buffer) => {
    other += chunk.toString('utf8');
  });
  return {
    lines,
    logged: (message, after = 0) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const found = lines.slice(after).find((line) => line.msg === message);
          if (found === undefined && closed === undefined) return;
          clearTimeout(timer);
          watchers.delete(look);
          if (found === undefined) reject(new Error(`no log line '${message}': ${closed}; the log:\n${describe()}`));
          else resolve(found);
        };
        const timer = setTimeout(() => {
          watchers.delete(look);
          reject(new Error(`no log line '${message}' in ${waitMsMax} ms; the log:\n${describe()}`));
        }, waitMsMax);
        watchers.add(look);
        look();
      }),
    close(reason) {
      closed = reason;
      for (const watcher of [...watchers]) watcher();
    },
  };
}
