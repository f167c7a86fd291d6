// Frames and numbers a stream's events.
// Why deltas apart: of thousands only the text changes, so that what stands before it is made to JSON once for each item.

export interface EventWriter {
  event(type: string, fields: object): string;
  /** `start`: of the delta's item, from `deltaStartOf`. `logprobs` undefined: the event has none. */
  delta(start: string, text: string, logprobs: readonly object[] | undefined): string;
}

export function deltaStartOf(type: string, fields: object): string {
  return `event: ${type}\ndata: ${JSON.stringify({ type, ...fields }).slice(0, -1)},"delta":`;
}

export function createEventWriter(): EventWriter {
  let sequenceNumber = 0;
  const numbered = (start: string): string => {
    const event = `${start},"sequence_number":${sequenceNumber}}\n\n`;
    sequenceNumber += 1;
    return event;
  };
  return {
    event: (type, fields) => numbered(`event: ${type}\ndata: ${JSON.stringify({ type, ...fields }).slice(0, -1)}`),
    delta: (start, text, logprobs) =>
      numbered(start + JSON.stringify(text) + (logprobs === undefined ? '' : logprobsText(logprobs))),
  };
}

function logprobsText(logprobs: readonly object[]): string {
  return logprobs.length === 0 ? ',"logprobs":[]' : `,"logprobs":${JSON.stringify(logprobs)}`;
}
