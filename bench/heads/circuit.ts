// Weights, set by hand, of a model whose tokens follow one another in turn, and of its multi-token head, of which it is known how often
// it is right.
// Why by hand: no model small enough for a laptop has such a head, and one of random weights is never right. Every layer is there and
// costs what a layer of its shape costs, but adds nothing: what follows is read off the token's own class.
//
//   residual   [0, classCount)   the class of the token, 1 in its place
//   output     the token of class c reads place c - 1: it follows that of class c - 1
//   head       moves the hidden state of the token before by one class, which is that of its own token, and reads it like the output:
//              fed with the state of another row or place it is wrong

/** Tokens in turn, from `firstToken` on: those before are bytes and controls. */
export const classCount = 60;
export const firstToken = 300;

/** The token that follows a token; those beyond the turn are of the class of their number. */
export function following(token: number): number {
  return firstToken + ((classOf(token) + 1) % classCount);
}

/** In this dimension the hidden state of a token is largest. */
export function classOf(token: number): number {
  return (((token - firstToken) % classCount) + classCount) % classCount;
}

export interface HeadCircuit {
  readonly width: number;
  /** The head is wrong about every so many-th token, a divisor of `classCount`; 0: about none. */
  readonly wrongEvery: number;
}

/** The one input, of weight 1, that a row of a matrix reads; undefined where it reads none. */
export function inputRead(name: string, row: number, { width, wrongEvery }: HeadCircuit): number | undefined {
  if (name === 'token_embd.weight') return classOf(row);
  if (name === 'output.weight') return readOut(row, 0);
  if (name.endsWith('.shared_head_head.weight')) {
    const isWrong = wrongEvery > 0 && row % wrongEvery === 0;
    return readOut(row, isWrong ? 4 * wrongEvery : 0);
  }
  // The first half of its inputs is the embedding of the token, the second the state.
  if (name.endsWith('.eh_proj.weight'))
    return row < classCount ? width + ((row + classCount - 1) % classCount) : undefined;
  return undefined;
}

/** The class that a token follows, `shift` classes too far. */
function readOut(token: number, shift: number): number | undefined {
  if (token < firstToken || token >= firstToken + classCount) return undefined;
  return (classOf(token) + classCount - 1 + shift) % classCount;
}
