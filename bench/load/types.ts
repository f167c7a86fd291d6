// The words of the load driver: what is sent, what came back, and what a run of many requests amounts to.
// Why times are kept per token: every percentile is computed afterwards, so that measuring costs one array push.

/** A server to drive. */
export interface Target {
  /** Column heading in tables. */
  readonly name: string;
  readonly url: URL;
  readonly api: Api;
  readonly model: string;
  /** Sent as a bearer token; empty sends none. Never printed or kept. */
  readonly key: string;
  /** A JSON schema that answers must meet; undefined asks for free text. */
  readonly schema?: object | undefined;
}

export type Api = 'completions' | 'chat';

/** What a run's random choices hang off. */
export interface Seeds {
  /** Arrival times: the same from one measurement to the next, so that they can be compared. */
  readonly arrivals: number;
  /** Prompts: new in each measurement unless wished otherwise, for a server may still have the last ones cached. */
  readonly prompts: number;
}

/** A stretch of prompt: the same seed and length always give the same text, which is how prefixes are shared. */
export interface Segment {
  readonly seed: number;
  readonly tokens: number;
}

/** A request as planned, before its prompt is made. */
export interface PlannedRequest {
  /** Milliseconds after the run's start; undefined in a closed loop, where a request goes out when another ends. */
  readonly arrivalMs: number | undefined;
  readonly segments: readonly Segment[];
  readonly outputTokens: number;
}

export interface Turn {
  readonly role: 'user' | 'assistant';
  readonly text: string;
}

/** What is asked: token ids (completions only) or a conversation of one or more turns. */
export type Prompt =
  | { readonly kind: 'tokens'; readonly tokens: readonly number[] }
  | { readonly kind: 'turns'; readonly turns: readonly Turn[] };

export type Outcome =
  | { readonly kind: 'done' }
  /** `status` is the HTTP status; undefined when no answer came. */
  | { readonly kind: 'failed'; readonly status: number | undefined; readonly message: string }
  /** The driver ended it: it had served its purpose. */
  | { readonly kind: 'stopped' };

export interface Usage {
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly outputTokens: number;
}

/** One request's measurements. Times are milliseconds after the run's start. */
export interface Answer {
  readonly outcome: Outcome;
  readonly startedMs: number;
  readonly endedMs: number;
  /** When each event with text arrived, in order: the first is the first token. */
  readonly tokenTimesMs: readonly number[];
  /** As the server counted; undefined when it did not say. */
  readonly usage: Usage | undefined;
  /** Whether the request had to be sent again because the server had dropped a kept-alive connection. */
  readonly reconnected: boolean;
  /** The generated text, where it was asked for. */
  readonly text: string;
}

/** A request and what came of it. */
export interface RequestRecord {
  readonly planned: PlannedRequest;
  readonly answer: Answer;
}

/** Everything measured in one run against one target. */
export interface RunRecord {
  readonly requests: readonly RequestRecord[];
  /** From the first request's start to the last one's end. */
  readonly durationMs: number;
  /** Processor time that the driver itself took, as a share of one core. */
  readonly driverCpuShare: number;
}
