// Which steps CUDA records as a graph and plays again: those of a shape that stays.
// Why not all, as ggml does: it records a step at the second of one shape in a row. On an H100 recording takes 4 ms (one sequence) or 5 (64) of a
// 1B model, 11 of an 8B one; a step that is played again saves 0.3 and 0.6 ms, 0.5 and 1.6. Where many streams begin and end, few shapes
// last that long: 64 streams of varied lengths were 1.05 times as fast for it with the 8B (figures: docs/PERFORMANCE.md).
// Why through a variable inside ggml: it decides by an environment variable that it reads once, into a static variable that the
// library exports, and looks at that before each graph. Where it is not found, ggml records as it does.
// Why a head and a draft model record as ever: their few layers are recorded sooner, and calls of one shape follow one another.
// Source: ggml_cuda_graph::is_enabled in ggml-cuda/common.cuh of llama.cpp v0.5.0.

import { readFileSync } from 'node:fs';
import koffi from 'koffi';
import type { Kernel } from '../kernel-port.ts';
import { createSteadySteps } from './steady-steps.ts';

/** The static variable of `is_enabled` as GCC and Clang name it. */
const variableName = '_ZZNK15ggml_cuda_graph10is_enabledEvE30disable_cuda_graphs_due_to_env';

export interface CudaGraphs {
  /** For all graphs that are computed from now on, in all contexts of the process. */
  setRecording(state: 'on' | 'off'): void;
}

let opened: CudaGraphs | undefined;

/**
 * Undefined where the CUDA library is not loaded or does not export the variable, or where the operator has switched graphs off. A graph
 * must have been computed: before that the variable has no value yet.
 */
export function openCudaGraphs(): CudaGraphs | undefined {
  if (process.env['GGML_CUDA_DISABLE_GRAPHS'] === undefined) opened ??= findVariable();
  return opened;
}

function findVariable(): CudaGraphs | undefined {
  const path = loadedLibrary(/\/libggml-cuda[^/]*\.so[^/]*$/);
  if (path === undefined) return undefined;
  try {
    const isDisabled = new Uint8Array(koffi.view(koffi.load(path).symbol(variableName) as bigint, 1));
    return {
      setRecording(state) {
        isDisabled[0] = state === 'on' ? 0 : 1;
      },
    };
  } catch {
    return undefined;
  }
}

/** What is loaded is asked for by its own path: by another one a second library would be loaded. Linux alone tells. */
function loadedLibrary(pattern: RegExp): string | undefined {
  try {
    const mapped = readFileSync('/proc/self/maps', 'utf8').split('\n');
    const paths = mapped.map((line) => line.slice(line.indexOf('/')));
    return paths.find((path) => pattern.test(path));
  } catch {
    return undefined;
  }
}

/** The kernel with steps that are recorded once they are steady, or all of them, whatever other kernels asked for. */
export function withRecording<Wrapped extends Kernel>(
  kernel: Wrapped,
  graphs: CudaGraphs,
  records: 'steady' | 'all',
): Wrapped {
  const steps = createSteadySteps(kernel.limits.batchTokensMax);
  return {
    ...kernel,
    decode(tokenCount, draws) {
      const isRecorded = records === 'all' || steps.isSteady(kernel.batch, tokenCount);
      graphs.setRecording(isRecorded ? 'on' : 'off');
      return kernel.decode(tokenCount, draws);
    },
    dispose() {
      graphs.setRecording('on');
      kernel.dispose();
    },
  };
}
