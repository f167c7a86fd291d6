// Which prebuilt libraries are on this machine: the `@node-llama-cpp/*` package of each kind of GPU, and their files.
// Why resolved from node-llama-cpp: they are its optional dependencies, so only its own node_modules is sure to see them.
// Why files by pattern: the name carries the kind and the release (libllama.cuda.v0.5.0.so), another build's does not.

import { existsSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { NativePaths } from './native.ts';

export type Gpu = 'cuda' | 'vulkan' | 'metal' | 'off';

/** Where the libraries of one kind lie; `fallbackDir` holds a CUDA backend for older drivers. */
export interface LibraryFolder {
  readonly binsDir: string;
  readonly fallbackDir: string | undefined;
}

/** The platform as the packages name it: linux-x64, mac-arm64, win-x64, ... */
function platformName(): string {
  const systems: Readonly<Record<string, string>> = { darwin: 'mac', win32: 'win' };
  const system = systems[process.platform] ?? process.platform;
  return `${system}-${process.arch === 'arm' ? 'armv7l' : process.arch}`;
}

/** The folder of the installed package for a kind of GPU, or undefined when it is not installed. */
export function findLibraryPackage(gpu: Gpu): LibraryFolder | undefined {
  const suffix = gpu === 'off' ? '' : `-${gpu}`;
  const name = `${platformName()}${suffix}`;
  const binsDir = packageBins(name, name);
  if (binsDir === undefined) return undefined;
  const fallback = gpu === 'cuda' ? packageBins(`${name}-ext`, name) : undefined;
  return { binsDir, fallbackDir: fallback === undefined ? undefined : join(fallback, 'fallback') };
}

/** The names of the packages that would serve this platform, for messages. */
export function packageNameFor(gpu: Gpu): string {
  return `@node-llama-cpp/${platformName()}${gpu === 'off' ? '' : `-${gpu}`}`;
}

function packageBins(name: string, folder: string): string | undefined {
  try {
    const parent = createRequire(fileURLToPath(import.meta.resolve('node-llama-cpp')));
    const bins = join(dirname(parent.resolve(`@node-llama-cpp/${name}`)), '..', 'bins', folder);
    return existsSync(bins) ? bins : undefined;
  } catch {
    return undefined;
  }
}

/** The three libraries inside a folder; throws when one is missing. */
export function libraryFiles(folder: string): NativePaths {
  if (!existsSync(folder)) throw new Error(`no such folder of llama.cpp libraries: ${folder}`);
  const names = readdirSync(folder).sort();
  return {
    ggmlBase: libraryFile(folder, names, 'ggml-base'),
    ggml: libraryFile(folder, names, 'ggml'),
    llama: libraryFile(folder, names, 'llama'),
  };
}

function libraryFile(folder: string, names: readonly string[], stem: string): string {
  const pattern = new RegExp(`^(?:lib)?${stem}\\.(?:.+\\.)?(?:so|dylib|dll)$`);
  const name = names.find((candidate) => pattern.test(candidate));
  if (name === undefined)
    throw new Error(`the folder ${folder} must hold the ${stem} library. Found: ${names.join(', ')}`);
  return join(folder, name);
}
