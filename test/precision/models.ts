// Models that tests of src/precision work on: both in this repository.

import { fileURLToPath } from 'node:url';

/** 260,000 parameters, untied output, rows of 64 and 172 values: most formats have to fall back somewhere. */
export const tinyModelPath = fileURLToPath(new URL('../fixtures/stories260K/stories260K-f16.gguf', import.meta.url));
/** 13 million parameters, output tied to the embeddings, rows of 512 and 768 values: every format fits. */
export const demoModelPath = fileURLToPath(new URL('../../models/octet-demo-f16.gguf', import.meta.url));
