// Reads a server-sent event stream piece by piece, however the network cut it.
// Why by hand: the driver shares the machine with the server it measures, so it looks for line ends and parses nothing else.
// Source: the event stream format of the WHATWG HTML standard, section 9.2 (only the `data` field is used here).

/** Takes the next piece of the stream; calls `onEvent` with the payload of each event that it completes. */
export type EventStreamReader = (piece: string) => void;

export function createEventStreamReader(onEvent: (payload: string) => void): EventStreamReader {
  let rest = '';
  let payload: string | undefined;
  const readLine = (line: string): void => {
    if (line === '') {
      if (payload !== undefined) onEvent(payload);
      payload = undefined;
    } else if (line.startsWith('data:')) {
      const value = line.charCodeAt(5) === space ? line.slice(6) : line.slice(5);
      payload = payload === undefined ? value : `${payload}\n${value}`;
    }
  };
  return (piece) => {
    rest = rest === '' ? piece : rest + piece;
    let start = 0;
    for (let end = rest.indexOf('\n'); end >= 0; end = rest.indexOf('\n', start)) {
      readLine(
        rest.charCodeAt(end - 1) === carriageReturn && end > start
          ? rest.slice(start, end - 1)
          : rest.slice(start, end),
      );
      start = end + 1;
    }
    rest = rest.slice(start);
  };
}

const space = 0x20;
const carriageReturn = 0x0d;
