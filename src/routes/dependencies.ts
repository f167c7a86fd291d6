// Everything the HTTP side needs, handed in by the wiring: routes reach nothing by themselves.

import type { Dialect } from '../dialects/dialect.ts';
import type { Engine } from '../ports.ts';
import type { PrecisionStatus } from '../precision-status.ts';
import type { ChatEncoder, EmbeddingEncoder, Tokenizer } from '../text-ports.ts';
import type { TuningStatus } from '../tuning-status.ts';
import type { HttpMetrics } from './metrics-port.ts';
import type { ResponseStore } from './responses/store.ts';
import type { StreamWatch } from './stream-watch.ts';

export interface ServedModel {
  /** Ids that requests may name; the first is the one that answers carry. May contain slashes and colons. */
  readonly ids: readonly [string, ...string[]];
  /** Unix time in seconds. */
  readonly createdSeconds: number;
  readonly ownedBy: string;
  /** Those of the ids that answer with an adapter. */
  readonly adapters: readonly ServedAdapter[];
}

export interface ServedAdapter {
  /** As requests name it: the model's id and the adapter's name. */
  readonly id: string;
  /** As the engine knows it. */
  readonly name: string;
  /** Where it was loaded from, as the operator wrote it. */
  readonly path: string;
}

export interface HttpLimits {
  readonly bodyBytesMax: number;
  /** Server-wide time for one request from acceptance to its end; a request's own `timeout` may only be shorter. */
  readonly requestMsMax: number;
  /** Time a client has to send its whole request. */
  readonly receiveMsMax: number;
}

/** Facts for GET /version: plain names and values, such as `octet`, `llamaCpp`, `node`. */
export type VersionFacts = Readonly<Record<string, string>>;

export interface MetricsText {
  readonly contentType: string;
  /** The whole exposition, rendered now. */
  render(): Promise<string>;
}

/** Tells whose key a request carries. */
export interface KeyRing {
  /**
   * A name for the key of an `Authorization: Bearer` header (a digest: safe to keep), or undefined when it is missing
   * or unknown. Takes the same time whichever key it is.
   */
  identify(authorization: string | undefined): string | undefined;
}

/** What endpoint functions receive. */
export interface RouteDependencies {
  readonly engine: Engine;
  readonly tokenizer: Tokenizer;
  readonly chatEncoder: ChatEncoder;
  readonly embeddingEncoder: EmbeddingEncoder;
  /** How the model writes tool calls and reasoning. */
  readonly dialect: Dialect;
  readonly model: ServedModel;
  readonly limits: HttpLimits;
  readonly metrics: HttpMetrics;
  /** OpenAI's `system_fingerprint`: changes when the numbers may change (model, precision, release). */
  readonly systemFingerprint: () => string;
  readonly precision: () => PrecisionStatus;
  /** Whether steps use values that were tuned for this model and device. */
  readonly tuning: TuningStatus;
  /** Write prompts and answers to the log. */
  readonly logPrompts: boolean;
  /** Undefined when no key is asked for. */
  readonly keyRing: KeyRing | undefined;
  readonly streamWatch: StreamWatch;
  /** Responses that later requests may go on with. */
  readonly responses: ResponseStore;
}
