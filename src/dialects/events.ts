// What a model's answer consists of, as its parsers tell it.

/** One more piece of an answer, in the order the model wrote it. Texts of one kind may be cut anywhere. */
export type AnswerEvent =
  | { readonly kind: 'content'; readonly text: string }
  | { readonly kind: 'reasoning'; readonly text: string }
  /** A call's name is known. `id` where the model wrote one itself. */
  | { readonly kind: 'call-started'; readonly name: string; readonly id: string | undefined }
  /** The next piece of the arguments' JSON text. */
  | { readonly kind: 'call-arguments'; readonly text: string }
  | { readonly kind: 'call-finished' }
  /** What looked like a call is none: `text` is all of it, for the content. `wasStarted`: its start was told before. */
  | { readonly kind: 'call-broken'; readonly text: string; readonly wasStarted: boolean };
