// Numbers as tables show them: short, but never so that two different ones look the same where it matters.

/** `digits` significant digits without trailing zeros; whole numbers whole; powers of ten below 0.0001 and from ten million on. */
export function shortNumber(value: number, digits: number): string {
  if (Number.isNaN(value)) return 'nan';
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf';
  if (value === 0) return Object.is(value, -0) ? '-0' : '0';
  const size = Math.abs(value);
  if (Number.isInteger(value) && size < 1e7) return String(value);
  if (size < 1e-4 || size >= 1e7) return value.toExponential(digits - 1).replace(/\.?0+e/, 'e');
  const text = value.toPrecision(digits);
  if (text.includes('e')) return String(Number(text));
  return text.includes('.') ? text.replace(/\.?0+$/, '') : text;
}

/** With a sign in front also when it is positive; `0` for zero. */
export function signedNumber(value: number, digits: number): string {
  return value > 0 ? `+${shortNumber(value, digits)}` : shortNumber(Object.is(value, -0) ? 0 : value, digits);
}

/** A share as percent, of two significant digits unless more are wanted: `0.024%`, `12%`. */
export function percent(share: number, digits = 2): string {
  return `${shortNumber(share * 100, digits)}%`;
}
