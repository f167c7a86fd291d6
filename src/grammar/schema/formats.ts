// The values of `format` that are enforced, as regular expressions of the whole text.
// Why narrower than the standards: each text that is written must satisfy every validator, and nobody asks a model for
// a leap second or a quoted mail box. Formats of numbers are bounds (numbers.ts); some formats are hints without a rule.
// Source: RFC 3339 (dates), RFC 4122, RFC 3986, RFC 1123, and OpenAPI's own formats.

import type { Json } from '../types.ts';

const date = '\\d{4}-((0[13578]|1[02])-(0[1-9]|[12]\\d|3[01])|(0[469]|11)-(0[1-9]|[12]\\d|30)|02-(0[1-9]|1\\d|2[0-8]))';
const time = '([01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(\\.\\d{1,6})?(Z|[+-]([01]\\d|2[0-3]):[0-5]\\d)';
const octet = '(25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)';
const label = '[A-Za-z0-9]([A-Za-z0-9-]{0,30}[A-Za-z0-9])?';
const word = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+";
const domainWord = '[A-Za-z0-9]+(-[A-Za-z0-9]+)*';
const pathChars = "([A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*";
const uri = `[a-z][a-z0-9+.-]{0,15}://${domainWord}(\\.${domainWord})*(:[1-9]\\d{0,3})?(/${pathChars})?(\\?${pathChars})?(#${pathChars})?`;

/** Eight groups, or fewer around one `::`. */
function ipv6(): string {
  const group = '[0-9a-fA-F]{1,4}';
  const groups = (from: number, to: number): string => (to === 0 ? '' : `${group}(:${group}){${from - 1},${to - 1}}`);
  const compressed = Array.from({ length: 7 }, (_, left) => {
    const right = 6 - left;
    return `${left === 0 ? '' : groups(left, left)}::${right === 0 ? '' : `(${groups(1, right)})?`}`;
  });
  return [groups(8, 8), ...compressed].join('|');
}

const patterns = {
  date,
  time,
  'date-time': `${date}T${time}`,
  duration:
    'P((\\d+Y(\\d+M(\\d+D)?)?|\\d+M(\\d+D)?|\\d+D)(T(\\d+H(\\d+M(\\d+S)?)?|\\d+M(\\d+S)?|\\d+S))?|T(\\d+H(\\d+M(\\d+S)?)?|\\d+M(\\d+S)?|\\d+S)|\\d+W)',
  email: `${word}(\\.${word})*@${domainWord}(\\.${domainWord})+`,
  hostname: `${label}(\\.${label}){0,5}`,
  ipv4: `${octet}(\\.${octet}){3}`,
  ipv6: ipv6(),
  uuid: '[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}',
  uri,
  'uri-reference': uri,
  url: uri,
  'json-pointer': '(/([^~/]|~[01])*)*',
  byte: '([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?',
} as const satisfies Record<string, string>;

/** Hints for people and programs, about any value. */
const hints = ['password', 'binary', 'float', 'double', 'int32', 'int64'];

/** Every format that is enforced or has nothing to enforce, for the documents. */
export const formatNames: readonly string[] = [...Object.keys(patterns), ...hints];

export function isFormat(value: Json | undefined): value is string {
  return typeof value === 'string' && formatNames.includes(value);
}

/** The regular expression of a format of texts; undefined when it says nothing about them. */
export function patternOfFormat(format: string): string | undefined {
  return Object.entries(patterns).find(([name]) => name === format)?.[1];
}
