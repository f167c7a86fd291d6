// Branded ids: a number that means a block cannot be passed where a token is meant.
// Why here alone: a cast is only honest in the place that makes the id.

declare const brand: unique symbol;
export type Brand<T, Name extends string> = T & { readonly [brand]: Name };

/** A block of the KV pool: index into every array with shape `(blockCount,)`. */
export type BlockId = Brand<number, 'BlockId'>;
/** A sequence id inside the native KV cache (`llama_seq_id`): 0 to 255. Short-lived and reused. */
export type CacheSeqId = Brand<number, 'CacheSeqId'>;
/** One stream of tokens, as the server process numbers them: never reused while it runs. */
export type SequenceId = Brand<number, 'SequenceId'>;
/** An entry of the model's vocabulary. */
export type TokenId = Brand<number, 'TokenId'>;
/** One HTTP request, as logs and the x-request-id header carry it. */
export type RequestId = Brand<string, 'RequestId'>;

export const blockId = (value: number): BlockId => value as BlockId;
export const cacheSeqId = (value: number): CacheSeqId => value as CacheSeqId;
export const sequenceId = (value: number): SequenceId => value as SequenceId;
export const tokenId = (value: number): TokenId => value as TokenId;
export const requestId = (value: string): RequestId => value as RequestId;
