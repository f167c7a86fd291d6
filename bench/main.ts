// `npm run bench -- <command>`: the benchmark programs under one entry.
// Why each command is imported only when asked for: some load native code or take over the process.

import { fileURLToPath } from 'node:url';

const commands: Readonly<Record<string, { readonly meaning: string; run(argv: readonly string[]): Promise<number> }>> =
  {
    load: {
      meaning: 'drive an OpenAI-compatible server, or two in turn; the default',
      run: async (argv) => (await import('./load/command.ts')).loadCommand(argv),
    },
    compare: {
      meaning: 'Octet against a peer, both started here: the table of the README',
      run: async (argv) => (await import('./compare/command.ts')).compareCommand(argv),
    },
    'minimal-server': {
      meaning: "a peer: node-llama-cpp's own LlamaContext behind /v1/completions",
      run: async (argv) => (await import('./minimal-server/command.ts')).minimalServerCommand(argv),
    },
    identity: {
      meaning: 'whether speculative decoding leaves texts as they are',
      run: async (argv) => (await import('./identity/command.ts')).identityCommand(argv),
    },
    speculation: {
      meaning: 'what guesses save: CPU time for each token, with guesses and without',
      run: async (argv) => (await import('./speculation/command.ts')).speculationCommand(argv),
    },
    turns: {
      meaning: 'what guesses bring or cost: with and without, by turns in one process',
      run: async (argv) => (await import('./turns/command.ts')).turnsCommand(argv),
    },
    replay: {
      meaning: 'what guesses bring or cost on a clock of measured step costs, the same on every machine',
      run: async (argv) => (await import('./replay/command.ts')).replayCommand(argv),
    },
    'copying-model': {
      meaning: 'write a model that repeats what it read, for work that is mostly copied',
      run: async (argv) => (await import('./copying/command.ts')).copyingModelCommand(argv),
    },
    'head-model': {
      meaning: 'write a model with a multi-token head, of which it is known how often it is right',
      run: async (argv) => (await import('./heads/command.ts')).headModelCommand(argv),
    },
    ceiling: {
      meaning: "the kernels' own limit: a bare decode loop, and what memory bandwidth allows",
      run: async (argv) => (await import('./ceiling/command.ts')).ceilingCommand(argv),
    },
    'guess-costs': {
      meaning: 'what guesses cost by the bare kernels: rows of a step, calls of the guesser, both by turns',
      run: async (argv) => (await import('./guess-costs/command.ts')).guessCostsCommand(argv),
    },
    http: {
      meaning: 'latency of /health and others while thousands of streams wait',
      run: async (argv) => (await import('./waiting.ts')).httpCommand(argv),
    },
    overhead: {
      meaning: "step time outside native decode and sampling, from the server's /metrics",
      run: async (argv) => (await import('./overhead.ts')).overheadCommand(argv),
    },
    structured: {
      meaning: 'structured output: first tokens with and without a compiled grammar, masks, tool calls',
      run: async (argv) => (await import('./structured/command.ts')).structuredCommand(argv),
    },
    simulate: {
      meaning: 'replay a trace through the scheduler on a simulated kernel',
      run: async (argv) => (await import('./simulate.ts')).main(argv),
    },
    fuzz: {
      meaning: "requests drawn from the API's document, valid and broken: no 5xx, no hang, no leak",
      run: async (argv) => (await import('./fuzz/command.ts')).fuzzCommand(argv),
    },
    'plan-step': {
      meaning: 'cost of planning one step',
      run: async (argv) => (await import('./plan-step.ts')).main(argv),
    },
    adapters: {
      meaning: 'cost of changing adapters between two steps',
      run: async (argv) => (await import('./adapter-changes.ts')).main(argv),
    },
    'host-copies': {
      meaning: 'states to host memory and back, beside computing them',
      run: async (argv) => (await import('./host-copies.ts')).main(argv),
    },
    'copies-beside': {
      meaning: 'what such copies hold up those that decode, beside steps and between them',
      run: async (argv) => (await import('./copies-beside.ts')).main(argv),
    },
    allocator: {
      meaning: 'cost of cache operations at 10^3 to 10^6 blocks',
      run: (argv) => runProgram('./allocator.js', argv),
    },
  };

/** Runs a module that is a program of its own, as if node had been started with it. */
async function runProgram(module: string, argv: readonly string[]): Promise<number> {
  const program = new URL(module, import.meta.url);
  process.argv = [process.execPath, fileURLToPath(program), ...argv];
  const loaded: unknown = await import(program.href);
  if (typeof loaded !== 'object' || loaded === null || !('main' in loaded) || typeof loaded.main !== 'function')
    return 0;
  const status: unknown = await loaded.main(argv);
  return typeof status === 'number' ? status : 0;
}

function printUsage(): void {
  console.log('usage: npm run bench -- [command] [flags]; a command with --help lists its flags\n');
  for (const [name, { meaning }] of Object.entries(commands)) console.log(`  ${name.padEnd(15)}${meaning}`);
}

async function main(argv: readonly string[]): Promise<number> {
  const [first = 'load'] = argv;
  if (first === 'help' || first === '--help') {
    printUsage();
    return 0;
  }
  const isFlag = first.startsWith('-');
  const command = commands[isFlag ? 'load' : first];
  if (command === undefined) {
    console.error(`unknown command; known are ${Object.keys(commands).join(', ')}. Given: ${first}`);
    return 2;
  }
  return command.run(isFlag ? argv : argv.slice(1));
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
