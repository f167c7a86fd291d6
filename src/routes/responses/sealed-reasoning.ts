// `encrypted_content` of reasoning items: a client that keeps its conversation itself gives it back, and the model sees again what
// it thought. It is encoded, not encrypted: the same text stands beside it in the open, so there is nothing to hide.

import type { Reasoning } from './items.ts';

const prefix = 'octet1.';

export function sealReasoning(text: string): string {
  return prefix + Buffer.from(text, 'utf8').toString('base64url');
}

/** The text, or undefined where this server did not write it. */
export function unsealReasoning(sealed: string): string | undefined {
  if (!sealed.startsWith(prefix)) return undefined;
  const text = Buffer.from(sealed.slice(prefix.length), 'base64url').toString('utf8');
  return sealReasoning(text) === sealed ? text : undefined;
}

/** What was thought, from wherever the item has it. */
export function reasoningTextOf({ content, summary, encrypted_content: sealed }: Reasoning): string {
  if (content.length > 0) return content.map(({ text }) => text).join('\n');
  if (sealed !== undefined) return unsealReasoning(sealed) ?? '';
  return summary.map(({ text }) => text).join('\n');
}
