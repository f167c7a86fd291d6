// Looks through a grammar that a client wrote for what XGrammar would misread.
// Why only classes: syntax errors are XGrammar's to report, but a class that names characters beyond ASCII is taken without
// a word and then accepts other characters.

/** Continues the sentence `the grammar ...`; undefined when nothing is wrong. */
export function checkEbnf(source: string): string | undefined {
  const found = classesOf(source).find((inside) => namesBeyondAscii(inside));
  if (found === undefined) return undefined;
  return `must not have a class with characters beyond ASCII, which is not enforced; write them as texts: "é" | "ê". Given: [${found.slice(0, 60)}]`;
}

/** The insides of the classes, with comments and texts passed over. O(length). */
function classesOf(source: string): string[] {
  const pattern = /#[^\n]*|"(?:[^"\\\n]|\\.)*"|\[((?:[^\]\\]|\\.)*)\]/gs;
  return [...source.matchAll(pattern)].flatMap(([, inside]) => (inside === undefined ? [] : [inside]));
}

function namesBeyondAscii(inside: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: ASCII is what is asked about.
  if (/[^\x00-\x7f]/.test(inside)) return true;
  const numbers = inside.matchAll(/\\(?:u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|x([0-9a-fA-F]{1,8}))/g);
  return [...numbers].some(([, short, long, hex]) => Number.parseInt(short ?? long ?? hex ?? '0', 16) > 0x7f);
}
