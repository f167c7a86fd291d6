// A kernel that can copy states beside its steps, if the libraries turn out to be what such copies need.

import type { Kernel } from '../../kernel-port.ts';
import { libraryFiles } from '../library-packages.ts';
import type { LlamaModel } from '../model.ts';
import type { StateBuffers } from '../state-buffers.ts';
import { type CacheRows, openCacheRows } from './cache-rows.ts';
import type { CacheFinder } from './cache-tensors.ts';
import { type ClosableCopies, type CopySource, createCopiesBeside } from './copies-beside.ts';
import { bindCopies } from './native-copies.ts';
import { copiesAgree } from './self-check.ts';

export interface BesideSource {
  readonly model: LlamaModel;
  /** Has seen the kernel's graphs. Undefined: no copies beside steps are wanted. */
  readonly caches: CacheFinder | undefined;
  readonly buffers: StateBuffers;
  readonly isCopying: CopySource['isCopying'];
  /** Empties the cache and zeroes its rows. */
  readonly clear: () => void;
}

/** The kernel itself where it cannot. The cache must be nobody's yet, and is not empty afterwards. */
export async function withCopiesBeside<Wrapped extends Kernel>(
  kernel: Wrapped,
  source: BesideSource,
): Promise<Wrapped> {
  const opened = await openCopies(kernel, source).catch(() => undefined);
  if (opened === undefined) return kernel;
  const { copies, rows } = opened;
  let disposed = false;
  function end(): void {
    rows.dispose();
    kernel.dispose();
  }
  return {
    ...kernel,
    beside: { park: copies.park, restore: copies.restore },
    forget: copies.forget,
    dispose() {
      if (disposed) return;
      disposed = true;
      const underWay = copies.close();
      if (underWay === undefined) end();
      else source.model.keepUntil(underWay.then(end));
    },
  };
}

interface OpenedCopies {
  readonly copies: ClosableCopies;
  readonly rows: CacheRows;
}

async function openCopies(kernel: Kernel, source: BesideSource): Promise<OpenedCopies | undefined> {
  const tensors = source.caches?.found();
  if (tensors === undefined) return undefined;
  const native = bindCopies(libraryFiles(source.model.libraries.binsDir).ggmlBase);
  const rows = openCacheRows(native, [...tensors.keys, ...tensors.values]);
  const copies = createCopiesBeside({ ...source, kernel, tensors, rows });
  const agree = await copiesAgree({ kernel, copies, clear: source.clear }).catch(() => false);
  if (agree) return { copies, rows };
  rows.dispose();
  return undefined;
}
