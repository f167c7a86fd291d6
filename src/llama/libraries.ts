// Chooses and loads the native libraries once per process: CUDA, then Vulkan, then CPU; Metal on Apple silicon.
// Why devices are counted after loading: a package can be installed on a machine without its driver. Every package carries
// the CPU backends too, so that a load that finds no device still serves, and says so.
// Source of the order and of the fallback folder: node-llama-cpp's getLlama.

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import koffi, { type LibraryHandle } from 'koffi';
import { findLibraryPackage, type Gpu, type LibraryFolder, libraryFiles, packageNameFor } from './library-packages.ts';
import { bindNative, type DevicePointer, type Native } from './native.ts';
import { createNativeLog, type LogSink, type NativeLog, registerLog } from './native-log.ts';
import { checkRelease } from './release-check.ts';

export interface LibrariesOptions {
  readonly gpu: 'auto' | Gpu;
  readonly log: LogSink;
  /** A folder with another build of the same release; OCTET_LLAMA_LIBRARIES names one too. */
  readonly folder?: string;
}

export interface Libraries {
  readonly native: Native;
  readonly binsDir: string;
  /** What computes: decided by the devices found, not by the wish. */
  readonly gpu: Gpu;
  /** Why, in one line for the log. */
  readonly reason: string;
  readonly gpuDevices: readonly DevicePointer[];
  readonly nativeLog: NativeLog;
  /** Until the function that it answers is called, llama.cpp logs to nobody: a line costs a native thread a wait for this one. */
  silence(): () => void;
}

interface Candidate extends LibraryFolder {
  readonly gpu: Gpu;
  readonly reason: string;
}

/** enum ggml_backend_dev_type: a GPU with its own memory, or one that shares the host's. */
const gpuDeviceTypes: readonly number[] = [1, 2];

/** What this process has loaded: a native library is one per process, whatever a module may wish. */
let loaded: Libraries | undefined;

/**
 * Loads llama.cpp into this process; `log` gets its lines from then on. A second call answers what the first one loaded.
 * Throws when no fitting package is installed, when a wished GPU is absent, or when the release does not fit.
 */
export function loadLibraries(options: LibrariesOptions): Libraries {
  const candidate = choose(options);
  loaded ??= loadOnce(candidate, options.log);
  if (loaded.binsDir !== candidate.binsDir)
    throw new Error(`this process has already loaded the libraries in ${loaded.binsDir}. Given: ${candidate.binsDir}`);
  // A build of one's own has one folder for both; a process that wants no GPU then leaves the devices alone.
  if (options.gpu === 'off' && loaded.gpu !== 'off') return { ...loaded, gpu: 'off', gpuDevices: [] };
  if (options.gpu !== 'auto' && loaded.gpu !== options.gpu)
    throw new Error(`gpu must be one that is usable here. Given: ${options.gpu}. Found: ${loaded.reason}`);
  return loaded;
}

function loadOnce(candidate: Candidate, log: LogSink): Libraries {
  const nativeLog = createNativeLog(log);
  const native = bindNative(libraryFiles(candidate.binsDir));
  checkRelease(native);
  const callback = registerLog(nativeLog);
  native.llama_log_set(callback, null);
  native.ggml_backend_load_all_from_path(candidate.binsDir);
  if (findGpuDevices(native).length === 0 && candidate.fallbackDir !== undefined)
    loadBackends(native, candidate.fallbackDir);
  native.llama_backend_init();
  const gpuDevices = findGpuDevices(native);
  const silence = () => {
    native.llama_log_set(silentSink(candidate.binsDir), null);
    return () => native.llama_log_set(callback, null);
  };
  const found = describe(native, candidate, gpuDevices);
  return { native, nativeLog, silence, gpuDevices, binsDir: candidate.binsDir, ...found };
}

/** A native function that ignores what it is called with and changes nothing: as a log callback it is silence. */
function silentSink(binsDir: string): bigint {
  return koffi.load(libraryFiles(binsDir).llama).symbol('llama_max_devices') as bigint;
}

function choose(options: LibrariesOptions): Candidate {
  const folder = options.folder ?? process.env['OCTET_LLAMA_LIBRARIES'];
  if (folder !== undefined && folder !== '')
    return {
      binsDir: folder,
      fallbackDir: undefined,
      gpu: options.gpu === 'auto' ? 'off' : options.gpu,
      reason: `the libraries in ${folder}`,
    };
  const wishes = options.gpu === 'auto' ? automaticOrder() : [options.gpu];
  const skipped: string[] = [];
  for (const gpu of wishes) {
    const found = findLibraryPackage(gpu);
    const obstacle = found === undefined ? `${packageNameFor(gpu)} is not installed` : driverObstacle(gpu);
    if (found !== undefined && obstacle === undefined)
      return { ...found, gpu, reason: [packageNameFor(gpu), ...skipped].join('; ') };
    skipped.push(`not ${gpu}: ${obstacle}`);
  }
  throw new Error(`no usable llama.cpp libraries for ${process.platform} ${process.arch}: ${skipped.join('; ')}`);
}

function automaticOrder(): Gpu[] {
  return process.platform === 'darwin' ? (process.arch === 'arm64' ? ['metal'] : ['off']) : ['cuda', 'vulkan', 'off'];
}

/** Why the driver cannot serve, found without loading any of ggml, or undefined. */
function driverObstacle(gpu: Gpu): string | undefined {
  if (gpu === 'cuda') return cudaObstacle();
  if (gpu === 'vulkan' && tryLoad(vulkanNames) === undefined) return `${vulkanNames.join(' or ')} cannot be loaded`;
  return undefined;
}

const windows = process.platform === 'win32';
const cudaNames = windows ? ['nvcuda.dll'] : ['libcuda.so.1', 'libcuda.so'];
const vulkanNames = windows ? ['vulkan-1.dll'] : ['libvulkan.so.1', 'libvulkan.so'];

function cudaObstacle(): string | undefined {
  const driver = tryLoad(cudaNames);
  if (driver === undefined) return `${cudaNames.join(' or ')} cannot be loaded`;
  try {
    const started: number = driver.func('cuInit', 'int', ['uint'])(0);
    if (started !== 0) return `cuInit answered ${started}`;
    const count = new Int32Array(1);
    const counted: number = driver.func('cuDeviceGetCount', 'int', ['void*'])(count);
    return counted === 0 && (count[0] ?? 0) > 0 ? undefined : 'no CUDA device';
  } catch (error) {
    return String(error);
  }
}

function tryLoad(names: readonly string[]): LibraryHandle | undefined {
  for (const name of names) {
    try {
      return koffi.load(name);
    } catch {
      // The next name may be there.
    }
  }
  return undefined;
}

function loadBackends(native: Native, folder: string): void {
  for (const name of readdirSync(folder)) {
    if (/ggml-.*\.(so|dll)$/.test(name)) native.ggml_backend_load(join(folder, name));
  }
}

function findGpuDevices(native: Native): DevicePointer[] {
  const count = native.ggml_backend_dev_count();
  const devices = Array.from({ length: count }, (_, index) => native.ggml_backend_dev_get(index));
  return devices.filter((device) => gpuDeviceTypes.includes(native.ggml_backend_dev_type(device)));
}

function describe(native: Native, from: Candidate, devices: readonly DevicePointer[]): { gpu: Gpu; reason: string } {
  if (devices.length === 0) {
    const lost = from.gpu === 'off' ? '' : `, but it found no ${from.gpu} device`;
    return { gpu: 'off', reason: `CPU, from ${from.reason}${lost}` };
  }
  const names = devices.map(
    (device) => `${native.ggml_backend_dev_name(device)} (${native.ggml_backend_dev_description(device)})`,
  );
  return { gpu: gpuOf(names.join()) ?? from.gpu, reason: `${names.join(', ')}, from ${from.reason}` };
}

function gpuOf(names: string): Gpu | undefined {
  const known: readonly [RegExp, Gpu][] = [
    [/CUDA/, 'cuda'],
    [/Vulkan/, 'vulkan'],
    [/MTL|Metal/, 'metal'],
  ];
  return known.find(([pattern]) => pattern.test(names))?.[1];
}
