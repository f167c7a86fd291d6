// llama.cpp's own sampler chain over a row of logits, for comparison: which tokens it leaves.

import koffi from 'koffi';
import { libraryFiles } from '../../../src/llama/library-packages.ts';
import type { DrawParams } from '../../../src/llama/sampling/draw.ts';

const chainParams = koffi.struct({ no_perf: 'bool' });
const tokenArray = koffi.struct({ data: 'void*', size: 'size_t', selected: 'int64_t', sorted: 'bool' });
const entryBytes = 12;

export type NativeChain = (logits: Float32Array, params: DrawParams) => number[];

/** Binds the samplers of the libraries in `binsDir`. */
export function bindNativeChain(binsDir: string): NativeChain {
  const library = koffi.load(libraryFiles(binsDir).llama);
  const makeChain = library.func('llama_sampler_chain_init', 'void*', [chainParams]);
  const add = library.func('llama_sampler_chain_add', 'void', ['void*', 'void*']);
  const apply = library.func('llama_sampler_apply', 'void', ['void*', 'void*']);
  const free = library.func('llama_sampler_free', 'void', ['void*']);
  const topK = library.func('llama_sampler_init_top_k', 'void*', ['int32_t']);
  const share = (name: string) => library.func(`llama_sampler_init_${name}`, 'void*', ['float', 'size_t']);
  const [typical, topP, minP] = [share('typical'), share('top_p'), share('min_p')];

  return (logits, params) => {
    const chain: bigint = makeChain({ no_perf: true });
    if (params.topK > 0) add(chain, topK(params.topK));
    if (params.typicalP < 1) add(chain, typical(params.typicalP, 1));
    if (params.topP < 1) add(chain, topP(params.topP, 1));
    if (params.minP > 0) add(chain, minP(params.minP, 1));
    const entries: bigint = koffi.alloc('uint8_t', logits.length * entryBytes);
    const view = new DataView(koffi.view(entries, logits.length * entryBytes));
    logits.forEach((logit, token) => {
      view.setInt32(token * entryBytes, token, true);
      view.setFloat32(token * entryBytes + 4, logit, true);
    });
    const array: bigint = koffi.alloc(tokenArray, 1);
    koffi.encode(array, tokenArray, { data: entries, size: logits.length, selected: -1, sorted: false });
    apply(chain, array);
    const left: { data: bigint; size: number } = koffi.decode(array, tokenArray);
    const rows = new DataView(koffi.view(left.data, left.size * entryBytes));
    const kept = Array.from({ length: left.size }, (_, index) => rows.getInt32(index * entryBytes, true));
    free(chain);
    koffi.free(array);
    koffi.free(entries);
    return kept.sort((a, b) => a - b);
  };
}
