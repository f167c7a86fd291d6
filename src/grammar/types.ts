// What a request asks its output to look like, whichever field of whichever API said so.
// Why one union: OpenAI's response_format and vLLM's guided fields say the same things; behind the door there is one spelling.

/** JSON as JSON.parse gives it. */
export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: Json;
}

export type OutputRule =
  /** Any JSON object. */
  | { readonly kind: 'json-object' }
  | { readonly kind: 'json-schema'; readonly schema: Json }
  /** The whole output matches; ECMAScript syntax. */
  | { readonly kind: 'regex'; readonly pattern: string }
  /** The output is one of these texts. */
  | { readonly kind: 'choice'; readonly choices: readonly string[] }
  /** XGrammar's EBNF, with a rule `root`. */
  | { readonly kind: 'ebnf'; readonly text: string }
  /** Free text with constrained parts, as XGrammar's structural tags describe it. */
  | { readonly kind: 'structural-tag'; readonly tag: JsonObject };

/** Something in a rule that would not be enforced, or is no rule at all. */
export interface RuleFault {
  /** Where, inside the rule: `['properties', 'tags', 'uniqueItems']`. */
  readonly path: readonly (string | number)[];
  /** Continues the sentence that the path begins: `is not enforced: ...`. */
  readonly rule: string;
}

export type Lowered<T> =
  | { readonly kind: 'lowered'; readonly value: T }
  | { readonly kind: 'refused'; readonly faults: readonly RuleFault[] };
