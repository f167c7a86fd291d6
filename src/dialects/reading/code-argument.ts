// Code that a model writes bare, for an interpreter: the tool gets it as its one text argument.

import type { ToolSchemas } from '../types.ts';
import { stringPiece } from './argument-writer.ts';
import { type Reader, type Reading, readPieces } from './reader.ts';

/** Names under which interpreters are offered as tools. */
const interpreterNames = ['python', 'ipython', 'code_interpreter'];

/** The interpreter among the tools. */
export function interpreterIn(tools: ToolSchemas): string | undefined {
  return interpreterNames.find((name) => tools.has(name));
}

/** Passes everything up to one of `ends` on as `{"code": ...}`, or under the tool's only parameter. */
export function* passCode(reader: Reader, schema: unknown, ends: readonly string[]): Reading<string | undefined> {
  yield { kind: 'call-arguments', text: `{${JSON.stringify(onlyProperty(schema) ?? 'code')}: "` };
  const mark = yield* readPieces(reader, ends, stringPiece);
  yield { kind: 'call-arguments', text: '"}' };
  return mark;
}

function onlyProperty(schema: unknown): string | undefined {
  if (typeof schema !== 'object' || schema === null || !('properties' in schema)) return undefined;
  const { properties } = schema;
  const names = typeof properties === 'object' && properties !== null ? Object.keys(properties) : [];
  return names.length === 1 ? names[0] : undefined;
}
