// The process's logger: JSON lines for machines, readable lines at a terminal. Written to standard error, so that what a
// command prints on standard output stays its own.

import pino, { type DestinationStream, type Logger } from 'pino';
import pretty from 'pino-pretty';
import type { Settings } from './settings-schema.ts';

/** Builds the logger that the settings ask for. */
export function createLogger({ logLevel, logFormat }: Pick<Settings, 'logLevel' | 'logFormat'>): Logger {
  const readable = logFormat === 'pretty' || (logFormat === 'auto' && process.stderr.isTTY === true);
  const destination: DestinationStream = readable
    ? pretty({ destination: 2, colorize: process.stderr.isTTY === true, ignore: 'pid,hostname', sync: true })
    : pino.destination({ dest: 2, sync: false });
  return pino({ level: logLevel, base: null, timestamp: pino.stdTimeFunctions.isoTime }, destination);
}
