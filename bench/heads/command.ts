// `head-model`: writes a model of a wanted shape with a multi-token head, for measuring what guessing by it costs and brings.

import { join } from 'node:path';
import { packageRoot } from '../../src/server/package-root.ts';
import { startCommand } from '../command.ts';
import { countFlag, textFlag } from '../flags.ts';
import { classCount } from './circuit.ts';
import { type HeadModelShape, headSize, writeHeadModel } from './write-model.ts';

const flags = {
  to: textFlag('', 'file to write'),
  vocabulary: textFlag('', "model whose tokenizer it has; empty means the embedded one's"),
  layers: countFlag(30, { min: 1, max: 500 }, "layers, without the head's"),
  width: countFlag(576, { min: 64, max: 65_536 }, 'width, a multiple of 64'),
  feedForward: countFlag(1536, { min: 64, max: 262_144 }, 'width of the feed-forward layers, a multiple of 64'),
  kvHeads: countFlag(3, { min: 1, max: 1024 }, 'key and value heads; as many query heads as the width has times 64'),
  wrongEvery: countFlag(0, { min: 0, max: classCount }, 'of so many guesses the head has one wrong; 0: none'),
};

export async function headModelCommand(argv: readonly string[]): Promise<number> {
  const start = startCommand(
    { title: 'octet bench head-model: writes a model with a multi-token head', flags, findFaults },
    argv,
  );
  if (start.kind === 'ended') return start.status;
  const { to, vocabulary, ...shape } = start.flags;
  const bytes = await writeHeadModel(to, vocabulary || join(packageRoot(), 'models/octet-demo-f16.gguf'), shape);
  console.log(`${to}: ${bytes} bytes`);
  return 0;
}

function findFaults(wish: HeadModelShape & { readonly to: string }): string[] {
  const { to, width, kvHeads, feedForward, wrongEvery } = wish;
  const faults: string[] = [];
  if (to === '') faults.push('--to must name a file. Given: none');
  if (feedForward % headSize !== 0)
    faults.push(`--feed-forward must be a multiple of ${headSize}. Given: ${feedForward}`);
  if (wrongEvery > 0 && classCount % wrongEvery !== 0)
    faults.push(`--wrong-every must divide ${classCount}. Given: ${wrongEvery}`);
  if (width % headSize !== 0) faults.push(`--width must be a multiple of ${headSize}. Given: ${width}`);
  else if ((width / headSize) % kvHeads !== 0)
    faults.push(`--kv-heads must divide the ${width / headSize} query heads. Given: ${kvHeads}`);
  return faults;
}
