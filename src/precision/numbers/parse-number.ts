// Reads a number as somebody writes it at a command line: 0.1, 1e-8, 1/3, 2^-24, 0x1.8p-3, inf, nan.
// Why refused at the ends of 64-bit range: the number would silently become infinity or zero before any format saw it.

export type NumberParsed =
  | { readonly kind: 'parsed'; readonly value: number }
  | { readonly kind: 'refused'; readonly message: string };

export const acceptedForms =
  'a decimal (0.1, -3.5), scientific (1e-8), a fraction (1/3), a power of two (2^-24), a hexadecimal float (0x1.8p-3), inf or nan';

const decimalPattern = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i;
const hexPattern = /^([+-]?)0x([0-9a-f]*)\.?([0-9a-f]*)(?:p([+-]?\d+))?$/i;
const powerPattern = /^([+-]?)2\^([+-]?\d+)$/;
const specialPattern = /^([+-]?)(inf|infinity|nan)$/i;

/** The 64-bit float nearest to what is written, or why there is none. */
export function parseNumber(text: string): NumberParsed {
  const written = text.trim();
  const special = specialPattern.exec(written);
  if (special !== null) {
    const value = /^nan$/i.test(special[2] ?? '') ? Number.NaN : Number.POSITIVE_INFINITY;
    return { kind: 'parsed', value: special[1] === '-' ? -value : value };
  }
  const value = evaluate(written);
  if (value === undefined) return { kind: 'refused', message: `a number must be ${acceptedForms}. Given: ${text}` };
  const isZero = value === 0 && /[1-9a-f]/i.test(mantissaOf(written));
  if (!Number.isFinite(value) || isZero)
    return { kind: 'refused', message: `a number must be 0 or within 5e-324 and 1.8e308 in size. Given: ${text}` };
  return { kind: 'parsed', value };
}

/** Undefined when the text has none of the forms; infinite or zero when it is out of range. */
function evaluate(text: string): number | undefined {
  const parts = text.split('/');
  if (parts.length === 2) {
    const [above, below] = parts.map((part) => part.trim());
    if (!decimalPattern.test(above ?? '') || !decimalPattern.test(below ?? '')) return undefined;
    return Number(above) / Number(below);
  }
  if (decimalPattern.test(text)) return Number(text);
  const power = powerPattern.exec(text);
  if (power !== null) return signed(power[1], 2 ** Number(power[2]));
  const hex = hexPattern.exec(text);
  return hex === null ? undefined : evaluateHex(hex);
}

/** Digits may be more than 64 bits hold; what is beyond rounds as the addition of the parts does. */
function evaluateHex([, sign, whole = '', fraction = '', exponent = '0']: RegExpExecArray): number | undefined {
  const digits = whole + fraction;
  if (digits === '') return undefined;
  const value = Number(BigInt(`0x${digits}`));
  return signed(sign, value * 2 ** (Number(exponent) - 4 * fraction.length));
}

function signed(sign: string | undefined, value: number): number {
  return sign === '-' ? -value : value;
}

/** The digits that make a number zero or not. */
function mantissaOf(text: string): string {
  if (powerPattern.test(text)) return '1';
  if (/^[+-]?0x/i.test(text)) return text.replace(/^[+-]?0x/i, '').replace(/p.*$/i, '');
  return (text.split('/')[0] ?? '').replace(/e.*$/i, '');
}
