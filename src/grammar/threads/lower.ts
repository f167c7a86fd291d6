// A thread that lowers one rule after another. Its first message says that it is ready.

import { parentPort } from 'node:worker_threads';
import { lowerRule } from '../lower-rule.ts';
import type { OutputRule } from '../types.ts';

parentPort?.postMessage('ready');
parentPort?.on('message', (rule: OutputRule) => parentPort?.postMessage(lowerRule(rule)));
