// Every command besides `serve`, in the order of --help.

import type { ToolCommand } from './command.ts';
import { numbersCommand } from './numbers-command.ts';

export const toolCommands: readonly ToolCommand[] = [numbersCommand];
