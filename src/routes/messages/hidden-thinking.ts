// The signature of a thinking block. Anthropic's proves where the block came from; here it only has to be a string, but where
// a client asks not to be shown the thinking, it carries it, so that the next turn still has it.

const mark = 'octet-thinking:';

/** What a block that shows its thinking is signed with. */
export const shownSignature = 'octet';

/** A signature that carries the thinking of a block that does not show it. */
export function hiddenSignature(thinking: string): string {
  return mark + Buffer.from(thinking).toString('base64');
}

/** The thinking of a block that is played back, shown or not. */
export function shownThinking(block: {
  readonly thinking: string;
  readonly signature?: string | null | undefined;
}): string {
  const { thinking, signature } = block;
  if (thinking !== '' || !signature?.startsWith(mark)) return thinking;
  return Buffer.from(signature.slice(mark.length), 'base64').toString();
}
