// Which memory a kernel's states live in: the JavaScript heap, the C library's, or page-locked beside a device, of which most is had at start.

import { partsOf } from './arena-memory.ts';
import { type CopyOptions, wantsCopiesBeside } from './beside/copy-place.ts';
import { deviceHostMemory, type HostMemory, type HostMemorySource, plainHostMemory } from './host-memory.ts';
import { createStateBuffers, type StateBuffers } from './state-buffers.ts';

/** Of what states may take. The rest is for those that find no part large enough: by as much as holes are left, more is taken than that. */
const arenaShare = 7 / 8;
const pieceBytesMax = 2 ** 30;
const pageBytes = 4096;

/** `bytesMax`: host memory of states and of what is kept to write others to. Locking takes half a second for each GiB (one H100). */
export async function openStateBuffers(options: CopyOptions, bytesMax: number): Promise<StateBuffers> {
  const source = sourceOf(options);
  const pieces = await lockedPieces(source, bytesMax * arenaShare);
  const lockedBytes = pieces.reduce((sum, { buffer }) => sum + buffer.byteLength, 0);
  return createStateBuffers(bytesMax - lockedBytes, {
    ...source,
    parts: pieces.length === 0 ? undefined : partsOf(pieces),
  });
}

/** Undefined: on the JavaScript heap. */
function sourceOf(options: CopyOptions): HostMemorySource | undefined {
  const plain = wantsCopiesBeside(options) ? plainHostMemory : undefined;
  // Where no layer is on a device, what is copied is in host memory as it is.
  return options.model.gpuLayers === 0 ? plain : (deviceHostMemory(options.model.libraries) ?? plain);
}

/** As much as can be locked. */
async function lockedPieces(source: HostMemorySource | undefined, byteCount: number): Promise<readonly HostMemory[]> {
  const pieces: HostMemory[] = [];
  let left = Math.floor(byteCount / pageBytes) * pageBytes;
  while (left > 0) {
    const piece = await source?.allocateLocked?.(Math.min(left, pieceBytesMax));
    if (piece === undefined) break;
    pieces.push(piece);
    left -= piece.buffer.byteLength;
  }
  return pieces;
}
