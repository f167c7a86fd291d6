#!/usr/bin/env node
// The `octet` command: serves, or runs another command. Everything worth testing lives beside this file.

import { runTool } from './commands/command.ts';
import { loadSettings } from './settings.ts';
import { describeFaults } from './settings-faults.ts';

const loaded = loadSettings({ argv: process.argv.slice(2), env: process.env });
switch (loaded.kind) {
  case 'settings': {
    // Imported late: other commands need not wait for all that serving takes.
    const { serve } = await import('./serve.ts');
    await serve(loaded.settings, loaded.sources);
    break;
  }
  case 'tool':
    process.exitCode = await runTool(loaded.run);
    break;
  case 'help':
  case 'version':
    process.stdout.write(`${loaded.text.trimEnd()}\n`);
    break;
  case 'faults':
    process.stderr.write(`${describeFaults(loaded.faults, loaded.command)}\n`);
    process.exitCode = 2;
    break;
}
