// Token sequences as one tree: what several begin with in common is there once.
// Why in rows: each node becomes a row of a step, and the paths through a node are the sequences that hold its cell.

export interface TokenTree {
  /** Parents stand before their children. Shape (nodes,). */
  readonly tokens: Int32Array;
  /** Depth of each node, from 0. Shape (nodes,). */
  readonly positions: Int32Array;
  /** The nodes of each sequence, in order; shape (length of the sequence,) each. */
  readonly paths: readonly Int32Array[];
  /** Runs of nodes, all of them together, that the same paths go through. */
  readonly runs: readonly { readonly from: number; readonly to: number; readonly paths: readonly number[] }[];
}

/** Plants sequences, each given in parts that follow one another. O(tokens). */
export function plantTree(sequences: readonly (readonly Int32Array[])[]): TokenTree {
  const tokens: number[] = [];
  const positions: number[] = [];
  const through: number[][] = [];
  const children = new Map<string, number>();
  const paths = sequences.map((parts, path) => {
    const nodes: number[] = [];
    let parent = -1;
    for (const part of parts)
      for (const token of part) {
        const key = `${parent} ${token}`;
        let node = children.get(key);
        if (node === undefined) {
          node = tokens.length;
          children.set(key, node);
          tokens.push(token);
          positions.push(nodes.length);
          through.push([]);
        }
        through[node]?.push(path);
        nodes.push(node);
        parent = node;
      }
    return Int32Array.from(nodes);
  });
  return { tokens: Int32Array.from(tokens), positions: Int32Array.from(positions), paths, runs: findRuns(through) };
}

/** Neighbouring nodes with the same paths, as on every stretch without a branch. */
function findRuns(through: readonly (readonly number[])[]): TokenTree['runs'] {
  const runs: { from: number; to: number; paths: readonly number[] }[] = [];
  through.forEach((paths, node) => {
    const last = runs.at(-1);
    if (last !== undefined && isSame(last.paths, paths)) last.to = node + 1;
    else runs.push({ from: node, to: node + 1, paths });
  });
  return runs;
}

function isSame(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((path, index) => path === b[index]);
}
