// The name of a weight in the model file, from that of a tensor in a graph.

/** ggml's scheduler names its copies on other devices `CUDA0#blk.0.attn_k.weight#0`. */
export function weightName(tensorName: string): string {
  const first = tensorName.indexOf('#');
  if (first < 0) return tensorName;
  const second = tensorName.indexOf('#', first + 1);
  return tensorName.slice(first + 1, second < 0 ? undefined : second);
}
