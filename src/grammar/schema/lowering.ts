// What the pieces of the schema compiler write into, and how they ask for the grammar of a member.

import type { Expression, Rules } from '../ebnf/expression.ts';
import type { UseRule } from '../json/text-rules.ts';
import type { Located } from './located.ts';

export interface Lowering {
  readonly rules: Rules;
  readonly use: UseRule;
  /** Texts under patterns that were lowered before, by patterns and lengths: schemas repeat them. */
  readonly texts: Map<string, Expression>;
  /** The grammar of a value for which all schemas hold; undefined when there is none such. */
  valueOf(all: readonly Located[]): Expression | undefined;
  /** Adds a rule unless it is there; answers its name as an expression. */
  addRule(name: string, body: Expression): Expression;
  /** A rule name that is not taken. */
  newName(prefix: string): string;
  /** Notes a fault of the schema that is being lowered. */
  refuse(rule: string): void;
}
