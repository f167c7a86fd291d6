// Grammars that wait for an engine to say whether it can enforce them.
// Why asked again after an engine's death: the next engine can answer, unless it was the question that killed. Which one that
// was is found as with sequences (quarantine.ts).

import { type OctetErrorBody, octetError } from '../../errors.ts';
import type { GrammarSpec, PrepareGrammarCommand } from '../../grammar-port.ts';
import { noteCrash, type Suspect } from './quarantine.ts';

export interface GrammarRequest extends Suspect {
  readonly command: PrepareGrammarCommand;
  readonly answer: Promise<OctetErrorBody | undefined>;
  /** Whether the present engine has it. */
  isSent: boolean;
}

export interface GrammarRequests {
  /** A new request, not sent yet. */
  open(grammar: GrammarSpec): GrammarRequest;
  /** Those that are not answered. */
  waiting(): readonly GrammarRequest[];
  /** Asks the engine, unless the present one was asked already. */
  send(request: GrammarRequest): void;
  answered(id: number, error: OctetErrorBody | undefined): void;
  /** Whether the present engine has answered for this very object. */
  isKnown(grammar: GrammarSpec): boolean;
  /** The engine died; fails what must have killed it. */
  onLost(): void;
  failAll(error: OctetErrorBody): void;
}

type Resolve = (error: OctetErrorBody | undefined) => void;

export function createGrammarRequests(send: (command: PrepareGrammarCommand) => void): GrammarRequests {
  const waiting = new Map<number, { readonly request: GrammarRequest; readonly resolve: Resolve }>();
  let known = new WeakSet<GrammarSpec>();
  let lastId = 0;

  const requests = (): GrammarRequest[] => [...waiting.values()].map(({ request }) => request);

  function settle(id: number, error: OctetErrorBody | undefined): void {
    const entry = waiting.get(id);
    waiting.delete(id);
    entry?.resolve(error);
  }

  return {
    open(grammar) {
      lastId += 1;
      let resolve: Resolve = () => undefined;
      const answer = new Promise<OctetErrorBody | undefined>((settled) => {
        resolve = settled;
      });
      const command: PrepareGrammarCommand = { kind: 'prepare-grammar', id: lastId, grammar };
      const request: GrammarRequest = { command, answer, isSent: false, crashCount: 0 };
      waiting.set(lastId, { request, resolve });
      return request;
    },
    waiting: requests,
    send(request) {
      if (request.isSent) return;
      request.isSent = true;
      send(request.command);
    },
    answered(id, error) {
      const grammar = waiting.get(id)?.request.command.grammar;
      if (grammar !== undefined) known.add(grammar);
      settle(id, error);
    },
    isKnown: (grammar) => known.has(grammar),
    onLost() {
      known = new WeakSet();
      const inHand = requests().filter(({ isSent }) => isSent);
      for (const request of inHand) request.isSent = false;
      const message = 'Compiling this grammar ended the engine process three times in a row, and it was given up.';
      for (const { command } of noteCrash(inHand)) settle(command.id, octetError('engine_crashed', message));
    },
    failAll(error) {
      for (const id of [...waiting.keys()]) settle(id, error);
    },
  };
}
