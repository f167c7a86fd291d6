// Which parked states are being copied from, so that their memory is not given to others before that has ended.
// Why known by their bytes: who restores fewer tokens than a state has passes another object of the same bytes.

import type { ParkedState } from '../../kernel-port.ts';

export interface HeldStates {
  /** Answers what lets go of it again. */
  hold(state: ParkedState): () => void;
  /** Forgets it now, or when nobody holds it any more. */
  forget(state: ParkedState): void;
}

export function createHeldStates(forgetNow: (state: ParkedState) => void): HeldStates {
  const holds = new Map<Uint8Array, { count: number; forgotten: ParkedState | undefined }>();
  return {
    hold({ bytes }) {
      const hold = holds.get(bytes) ?? { count: 0, forgotten: undefined };
      holds.set(bytes, hold);
      hold.count += 1;
      return () => {
        hold.count -= 1;
        if (hold.count > 0) return;
        holds.delete(bytes);
        if (hold.forgotten !== undefined) forgetNow(hold.forgotten);
      };
    },
    forget(state) {
      const hold = holds.get(state.bytes);
      if (hold === undefined) forgetNow(state);
      else hold.forgotten = state;
    },
  };
}
