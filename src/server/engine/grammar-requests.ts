// Grammars that wait for an engine to say whether it can enforce them.
// Why asked again after an engine's death, but once only: the next engine can answer, unless it was the question that killed.

import { type OctetErrorBody, octetError } from '../../errors.ts';
import type { GrammarSpec, PrepareGrammarCommand } from '../../grammar-port.ts';

export interface GrammarRequests {
  /** Asks the engine, at once if it is `ready`, else when the next one is. */
  ask(grammar: GrammarSpec, ready: boolean): Promise<OctetErrorBody | undefined>;
  answered(id: number, error: OctetErrorBody | undefined): void;
  /** A new engine is ready. */
  resend(): void;
  failAll(error: OctetErrorBody): void;
}

interface Waiting {
  readonly command: PrepareGrammarCommand;
  readonly resolve: (error: OctetErrorBody | undefined) => void;
  sentCount: number;
}

const sentCountMax = 2;

export function createGrammarRequests(send: (command: PrepareGrammarCommand) => void): GrammarRequests {
  const waiting = new Map<number, Waiting>();
  let lastId = 0;

  function settle({ command, resolve }: Waiting, error: OctetErrorBody | undefined): void {
    waiting.delete(command.id);
    resolve(error);
  }

  function sendOne(entry: Waiting): void {
    if (entry.sentCount >= sentCountMax) {
      settle(entry, octetError('grammar_failed', 'The engine ended twice while it compiled this grammar.'));
      return;
    }
    entry.sentCount += 1;
    send(entry.command);
  }

  return {
    ask(grammar, ready) {
      lastId += 1;
      const command: PrepareGrammarCommand = { kind: 'prepare-grammar', id: lastId, grammar };
      return new Promise((resolve) => {
        const entry: Waiting = { command, resolve, sentCount: 0 };
        waiting.set(command.id, entry);
        if (ready) sendOne(entry);
      });
    },
    answered(id, error) {
      const entry = waiting.get(id);
      if (entry !== undefined) settle(entry, error);
    },
    resend() {
      for (const entry of [...waiting.values()]) sendOne(entry);
    },
    failAll(error) {
      for (const entry of [...waiting.values()]) settle(entry, error);
    },
  };
}
