// Knows after which product a step has nothing more to tell, so that the kernels need not compute what nobody reads.

export interface StepEnds {
  begin(tokenCount: number): void;
  /** A product's inputs were read; answers whether it was the last one. */
  read(): boolean;
  /** A product shared the inputs of the one before: it must be asked about, too. */
  shared(): void;
  end(): void;
}

/** Learns from the first whole step of each size; steps of one size compute the same nodes. */
export function createStepEnds(): StepEnds {
  /** Reads in a step, by its tokens; 0 where the last product shares its inputs, so that no read is the end. */
  const known = new Map<number, number>();
  let tokens = 0;
  let readCount = 0;
  let endsShared = false;
  return {
    begin(tokenCount) {
      tokens = tokenCount;
      readCount = 0;
      endsShared = false;
    },
    read() {
      readCount += 1;
      endsShared = false;
      return known.get(tokens) === readCount;
    },
    shared() {
      endsShared = true;
    },
    end() {
      if (!known.has(tokens)) known.set(tokens, endsShared ? 0 : readCount);
    },
  };
}
