// Fields of a sequence's native state that do not depend on how many streams its cache has, for those who cut and who write states by hand.
// Source: llama_context::state_seq_get_data and llama_kv_cache::state_write of llama.cpp v0.5.0.

export const wordBytes = 4;
/** Behind magic number and sequence id; each stream's number of cells follows, before its cells. */
export const streamCountAt = 2 * wordBytes;
export const cellCountsAt = 3 * wordBytes;
/** Of a cell: position, number of owners, owner. */
export const cellBytes = 3 * wordBytes;
/** Behind a stream's cells: whether V is kept column by column, and the number of layers. */
export const layersHeadBytes = 2 * wordBytes;
/** Of a layer's K or V, before its rows: type and, in 64 bits, bytes of a row. */
export const rowsHeadBytes = wordBytes + 8;
