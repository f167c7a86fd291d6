// What a tuning run is for, besides the model: the device, by what its speed depends on.

import { availableParallelism, cpus } from 'node:os';
import { z } from 'zod';
import { formatBytes } from '../../format.ts';
import type { Libraries } from '../../llama/libraries.ts';
import { memoryRoom } from '../../llama/memory.ts';

/** Every entry with the words it is told by when it differs. */
export const deviceSchema = z.record(z.string(), z.string());
export type Device = Readonly<z.infer<typeof deviceSchema>>;

export function deviceOf(libraries: Libraries): Device {
  const { native, gpuDevices, gpu } = libraries;
  const names = gpuDevices.map((device) => native.ggml_backend_dev_description(device));
  return {
    platform: `${process.platform} ${process.arch}`,
    CPU: cpus()[0]?.model.trim() ?? 'unknown',
    cores: String(availableParallelism()),
    GPU: gpuDevices.length === 0 ? 'none' : `${names.join(', ')} by ${gpu}`,
    'GPU memory': gpuDevices.length === 0 ? 'none' : formatBytes(memoryRoom(libraries).totalBytes),
    'llama.cpp release': native.llama_version(),
  };
}
