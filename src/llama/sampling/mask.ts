// Forbids every token that a grammar's mask does not allow.
// Why by words: most words of a mask are all ones or all zeros, and 32 logits are then passed over or filled at once.

/** Sets the logits of forbidden tokens to -Infinity. Shapes: logits (vocabularySize,), mask (ceil(vocabularySize / 32),). */
export function applyMask(logits: Float32Array, mask: Int32Array): void {
  for (let word = 0; word * 32 < logits.length; word++) {
    const bits = mask[word] ?? 0;
    if (bits === -1) continue;
    const start = word * 32;
    const end = Math.min(start + 32, logits.length);
    if (bits === 0) {
      logits.fill(Number.NEGATIVE_INFINITY, start, end);
      continue;
    }
    for (let token = start; token < end; token++) {
      if ((bits & (1 << (token & 31))) === 0) logits[token] = Number.NEGATIVE_INFINITY;
    }
  }
}
