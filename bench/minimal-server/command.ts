// `minimal-server`: the peer that node-llama-cpp's own LlamaContext makes, on a port of this machine.

import { once } from 'node:events';
import { getLlama } from 'node-llama-cpp';
import { startCommand } from '../command.ts';
import { choiceFlag, countFlag, textFlag } from '../flags.ts';
import { lendSequences } from './sequences.ts';
import { createMinimalServer } from './server.ts';

const flags = {
  model: textFlag('', 'GGUF file'),
  threads: countFlag(2, { min: 1, max: 1024 }, 'kernel threads'),
  kv: choiceFlag(['q8_0', 'f16'], 'number format of the KV cache'),
  sequences: countFlag(8, { min: 1, max: 256 }, 'requests computed at once; more wait'),
  context: countFlag(2048, { min: 16, max: 1_048_576 }, 'longest request, prompt and output together, in tokens'),
  gpu: choiceFlag(['off', 'auto', 'cuda', 'metal', 'vulkan'], 'where it computes'),
  port: countFlag(8081, { min: 1, max: 65_535 }, 'port on 127.0.0.1'),
};

/** Serves until SIGINT or SIGTERM; returns the exit status. */
export async function minimalServerCommand(argv: readonly string[]): Promise<number> {
  const title = "octet bench minimal-server: node-llama-cpp's own LlamaContext behind /v1/completions";
  const start = startCommand({ title, flags, findFaults }, argv);
  if (start.kind === 'ended') return start.status;
  const { model: modelPath, threads, kv, sequences: sequenceCount, context: contextTokens, gpu, port } = start.flags;
  const llama = await getLlama({
    gpu: gpu === 'off' ? false : gpu,
    build: 'never',
    maxThreads: threads,
  });
  const model = await llama.loadModel({ modelPath });
  const cacheType = kv === 'f16' ? 'F16' : 'Q8_0';
  const context = await model.createContext({
    sequences: sequenceCount,
    contextSize: contextTokens,
    threads,
    flashAttention: true,
    experimentalKvCacheKeyType: cacheType,
    experimentalKvCacheValueType: cacheType,
  });
  const sequences = lendSequences(Array.from({ length: sequenceCount }, () => context.getSequence()));
  const app = createMinimalServer({ model, sequences, contextTokens });
  console.log(await app.listen({ host: '127.0.0.1', port }));
  await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
  app.server.closeAllConnections();
  await app.close();
  await llama.dispose();
  return 0;
}

function findFaults({ model }: { readonly model: string }): string[] {
  return model === '' ? ['--model must name a GGUF file. Given: nothing'] : [];
}
