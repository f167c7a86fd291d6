// Every command besides `serve`, in the order of --help.

import { cacheCommand } from './cache-command.ts';
import { calibrateCommand } from './calibrate-command.ts';
import type { ToolCommand } from './command.ts';
import { evaluateCommand } from './evaluate-command.ts';
import { numbersCommand } from './numbers-command.ts';
import { planCommand } from './plan-command.ts';
import { quantizeCommand } from './quantize-command.ts';
import { recommendCommand } from './recommend-command.ts';
import { tuneCommand } from './tune-command.ts';

export const toolCommands: readonly ToolCommand[] = [
  quantizeCommand,
  calibrateCommand,
  cacheCommand,
  evaluateCommand,
  planCommand,
  recommendCommand,
  tuneCommand,
  numbersCommand,
];
