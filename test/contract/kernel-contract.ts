// What the scheduler relies on when it talks to a kernel. One suite for every kernel, fake or real: a fake that promises
// more than the real one would let the scheduler's own tests pass for nothing.

import { afterEach, beforeEach, describe } from 'vitest';
import type { Kernel } from '../../src/kernel-port.ts';
import type { KernelSubject } from './kernel-driver.ts';
import { movingLaws } from './moving-laws.ts';
import { parkingLaws } from './parking-laws.ts';
import { scoringLaws } from './scoring-laws.ts';
import { copyingLaws, cuttingLaws, roomLaws } from './sharing-laws.ts';
import { drawingLaws, holdingLaws } from './step-laws.ts';

/** The suite; call it inside a `describe`. */
export function kernelContract(subject: KernelSubject): void {
  let kernel: Kernel;
  beforeEach(async () => {
    kernel = await subject.open();
  });
  afterEach(() => kernel.dispose());
  const laws = [holdingLaws, drawingLaws, scoringLaws, parkingLaws, movingLaws];
  for (const declare of laws) declare(subject, () => kernel);
  if (!subject.sharesPrefixes) return;
  describe('keeps every position, and so', () => {
    for (const declare of [copyingLaws, cuttingLaws, roomLaws]) declare(subject, () => kernel);
  });
}
