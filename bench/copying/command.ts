// `copying-model`: writes a model of a wanted shape that repeats what it read, for measuring work that is mostly copied.

import { join } from 'node:path';
import { packageRoot } from '../../src/server/package-root.ts';
import { startCommand } from '../command.ts';
import { countFlag, textFlag } from '../flags.ts';
import { type CopyingShape, headSize, writeCopyingModel } from './write-model.ts';

const flags = {
  to: textFlag('', 'file to write'),
  vocabulary: textFlag('', "model whose tokenizer and chat template it has; empty means the embedded one's"),
  layers: countFlag(38, { min: 2, max: 1000 }, 'layers; 38 of the default width are 137 million weights'),
  width: countFlag(576, { min: 192, max: 65_536 }, 'width, a multiple of 64'),
  feedForward: countFlag(1536, { min: 64, max: 262_144 }, 'width of the feed-forward layers'),
  kvHeads: countFlag(3, { min: 1, max: 1024 }, 'key and value heads; as many query heads as the width has times 64'),
};

export async function copyingModelCommand(argv: readonly string[]): Promise<number> {
  const start = startCommand(
    { title: 'octet bench copying-model: writes a model that repeats what it read', flags, findFaults },
    argv,
  );
  if (start.kind === 'ended') return start.status;
  const { to, vocabulary, ...shape } = start.flags;
  const bytes = await writeCopyingModel(to, vocabulary || join(packageRoot(), 'models/octet-demo-f16.gguf'), shape);
  console.log(`${to}: ${bytes} bytes`);
  return 0;
}

function findFaults({ to, width, kvHeads }: CopyingShape & { readonly to: string }): string[] {
  const faults: string[] = [];
  if (to === '') faults.push('--to must name a file. Given: none');
  if (width % headSize !== 0) faults.push(`--width must be a multiple of ${headSize}. Given: ${width}`);
  else if ((width / headSize) % kvHeads !== 0)
    faults.push(`--kv-heads must divide the ${width / headSize} query heads. Given: ${kvHeads}`);
  return faults;
}
