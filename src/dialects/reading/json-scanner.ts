// Finds where a JSON value ends in text that arrives in pieces, and where it stops being JSON.
// Why not JSON.parse on what is there so far: arguments are passed on while they are written, each character looked at once.
// Source: RFC 8259.

export interface JsonScanner {
  /** Looks at `text` from `from` on; answers the index behind the last character that belongs to the value. */
  scan(text: string, from: number): number;
  readonly state: 'open' | 'whole' | 'broken';
  /** The text has ended: whether what was scanned is a whole value (a number needs nothing behind it). */
  endsWhole(): boolean;
}

type Expecting = 'value' | 'value-or-end' | 'key' | 'key-or-end' | 'colon' | 'comma-or-end';

const numberPattern = /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/;
const literals = ['true', 'false', 'null'];
const space = /[ \t\n\r]/;

/** A scanner for one value. */
export function createJsonScanner(): JsonScanner {
  const closers: ('}' | ']')[] = [];
  let expecting: Expecting = 'value';
  let state: 'open' | 'whole' | 'broken' = 'open';
  /** The string, number or literal being read. */
  let atom: 'string' | 'number' | 'literal' | undefined;
  let atomText = '';
  let isKey = false;
  let escaped = '';

  const isBroken = (): boolean => state === 'broken';

  function valueEnded(): void {
    atom = undefined;
    if (closers.length === 0) state = 'whole';
    else expecting = 'comma-or-end';
  }

  function inString(character: string): void {
    if (escaped !== '') {
      escaped += character;
      if (/^\\(["\\/bfnrt]|u[0-9a-fA-F]{4})$/.test(escaped)) escaped = '';
      else if (!/^\\u[0-9a-fA-F]{0,3}$/.test(escaped)) state = 'broken';
    } else if (character === '\\') escaped = character;
    else if (character < ' ') state = 'broken';
    else if (character === '"') {
      if (isKey) {
        atom = undefined;
        expecting = 'colon';
      } else valueEnded();
    }
  }

  /** False: the character does not belong to the number or literal, which has ended before it. */
  function inWord(character: string): boolean {
    const grown = atomText + character;
    if (atom === 'literal') {
      if (!literals.some((literal) => literal.startsWith(grown))) state = 'broken';
      else if (literals.includes(grown)) valueEnded();
      atomText = grown;
      return true;
    }
    if (/[-+.eE\d]/.test(character)) {
      atomText = grown;
      return true;
    }
    if (numberPattern.test(atomText)) valueEnded();
    else state = 'broken';
    return false;
  }

  function startsValue(character: string): void {
    if (character === '{' || character === '[') {
      closers.push(character === '{' ? '}' : ']');
      expecting = character === '{' ? 'key-or-end' : 'value-or-end';
    } else if (character === '"') startAtom('string', '');
    else if (/[-\d]/.test(character)) startAtom('number', character);
    else if (/[tfn]/.test(character)) startAtom('literal', character);
    else state = 'broken';
  }

  function startAtom(kind: 'string' | 'number' | 'literal', text: string): void {
    atom = kind;
    atomText = text;
    isKey = expecting === 'key' || expecting === 'key-or-end';
  }

  function between(character: string): void {
    if (space.test(character)) return;
    const closes = character === closers.at(-1);
    if (closes && (expecting === 'comma-or-end' || expecting === 'key-or-end' || expecting === 'value-or-end')) {
      closers.pop();
      valueEnded();
    } else if (expecting === 'value' || expecting === 'value-or-end') startsValue(character);
    else if ((expecting === 'key' || expecting === 'key-or-end') && character === '"') startAtom('string', '');
    else if (expecting === 'colon' && character === ':') expecting = 'value';
    else if (expecting === 'comma-or-end' && character === ',') {
      expecting = closers.at(-1) === '}' ? 'key' : 'value';
    } else state = 'broken';
  }

  return {
    scan(text, from) {
      let index = from;
      while (index < text.length && state === 'open') {
        const character = text.charAt(index);
        if (atom === 'string') inString(character);
        else if (atom === undefined) between(character);
        else if (!inWord(character)) continue;
        if (isBroken()) return index;
        index += 1;
      }
      return index;
    },
    get state() {
      return state;
    },
    endsWhole() {
      if (state === 'open' && atom === 'number' && closers.length === 0) return numberPattern.test(atomText);
      return state === 'whole';
    },
  };
}
