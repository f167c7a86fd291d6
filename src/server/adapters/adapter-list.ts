// LoRA adapters as an operator writes them: `name=path`, or `name=path:scale`.
// Why names are this narrow: they become part of model ids and labels of metrics, and mark namespaces of the prefix cache.

import { z } from 'zod';

export interface AdapterWish {
  readonly name: string;
  /** As written: a path, a URL or an hf: name. */
  readonly path: string;
  /** Times what the adapter's file itself says. */
  readonly scale: number;
}

const scaleMax = 100;
const namePattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

export const adapterListLimit = `a comma list of name=path or name=path:scale, each name once, of 1 to 64 letters, digits and . _ - (a letter or digit first), each scale from -${scaleMax} to ${scaleMax}`;

/** The list as text, or as a list of entries. */
export const adapterList = z
  .union([z.string(), z.array(z.string())])
  .transform((given, context): readonly AdapterWish[] => {
    const entries = (typeof given === 'string' ? [given] : given).flatMap(splitEntries);
    const wishes = entries.map(parseAdapter);
    const names = wishes.map((wish) => wish?.name);
    if (new Set(names).size < names.length || !wishes.every((wish) => wish !== undefined)) {
      context.addIssue({ code: 'custom', message: 'not a list of adapters' });
      return [];
    }
    return wishes;
  });

/** A comma ends an entry where another one begins behind it: paths may have commas. */
function splitEntries(text: string): string[] {
  return text
    .split(/,(?=\s*[^,=/\\]*=)/)
    .map((entry) => entry.trim().replace(/,$/, ''))
    .filter((entry) => entry !== '');
}

/** One entry, or undefined when it is none. */
function parseAdapter(entry: string): AdapterWish | undefined {
  const [, name = '', rest = ''] = /^([^=]*)=(.*)$/s.exec(entry) ?? [];
  const [, path = '', scaleText = '1'] = /^(.*?)(?::(-?(?:\d+\.?\d*|\.\d+)))?$/s.exec(rest) ?? [];
  const scale = Number(scaleText);
  if (!namePattern.test(name) || path.trim() === '' || Math.abs(scale) > scaleMax) return undefined;
  return { name, path: path.trim(), scale };
}

/** As it is written. */
export function adapterText({ name, path, scale }: AdapterWish): string {
  return `${name}=${path}${scale === 1 ? '' : `:${scale}`}`;
}
