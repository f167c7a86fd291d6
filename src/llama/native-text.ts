// Reads C strings that llama.cpp writes into a buffer of ours.
// Why twice: it answers the length it needs, as snprintf does, so that a first call with no room asks for the size.

const decoder = new TextDecoder();

/** Calls `write` with a buffer that is large enough; undefined when it answers a negative length. */
export function readText(write: (text: Uint8Array, size: number) => number): string | undefined {
  const length = write(new Uint8Array(1), 1);
  if (length < 0) return undefined;
  const bytes = new Uint8Array(length + 1);
  write(bytes, bytes.length);
  return decoder.decode(bytes.subarray(0, length));
}
