// Every setting, once: name, bounds, default, unit and meaning. From this table come the type, the flags, the
// environment names, --help, config/default.json and docs/CONFIGURATION.md; tests hold the last two against it.
// Why `prefault`: a default is written as a user would write it, and is parsed like any other value.

import { z } from 'zod';
import { kvTypes } from '../kv-types.ts';
import { shippedRecipeNames } from '../precision/recipes/find-recipe.ts';
import { adapterList, adapterListLimit } from './adapters/adapter-list.ts';
import { dialectSettings } from './settings-dialect.ts';
import { embeddingSettings } from './settings-embedding.ts';
import { settingFacts } from './settings-facts.ts';
import { autoByteSize, byteSize, kvPair, weightsWish } from './settings-forms.ts';
import { gateSettings } from './settings-gate.ts';
import { responsesSettings } from './settings-responses.ts';
import { schedulingSettings } from './settings-scheduling.ts';
import { serverSettings } from './settings-server.ts';
import { speculationSettings } from './settings-speculation.ts';
import { speedSettings } from './settings-speed.ts';

export const defaultModel = 'models/octet-demo-f16.gguf';

const kibibyte = 1024;
const tebibyte = 1024 ** 4;

const modelSettings = {
  model: z.string().min(1).prefault(defaultModel).register(settingFacts, {
    group: 'Model',
    unit: '',
    meaning: 'The GGUF model to serve; URLs and hf: names are downloaded once and kept.',
    limit: 'a path, a URL or hf:owner/repo:QUANT',
  }),
  modelAlias: z
    .string()
    .regex(/^[\x21-\x7e]{0,256}$/)
    .prefault('')
    .register(settingFacts, {
      group: 'Model',
      unit: '',
      meaning: 'The model id that requests name and answers carry; empty takes the file name without .gguf.',
      limit: 'at most 256 printable ASCII characters without blanks',
    }),
  lora: adapterList.prefault('').register(settingFacts, {
    group: 'Model',
    unit: 'name=path',
    meaning:
      'LoRA adapters (GGUF) to serve beside the model, each as the model MODEL:NAME; the flag may be given several times.',
    limit: adapterListLimit,
    repeats: true,
  }),
  weights: weightsWish.prefault('auto').register(settingFacts, {
    group: 'Model',
    unit: '',
    meaning:
      'Number format of the weights; made once and cached. auto: int8 for a file of 16 or 32 bits, else as the file is.',
    limit: `auto, file (as it is), a format such as q8_0, q4_k_m or mxfp4, a recipe (${shippedRecipeNames().join(', ')}) or a path that ends in .json`,
  }),
  imatrix: z.string().prefault('').register(settingFacts, {
    group: 'Model',
    unit: 'path',
    meaning:
      'An importance matrix (octet calibrate, llama-imatrix) for weights that are made: it steers their rounding, and tells recipes that scale how large activations are.',
    limit: 'a path or empty',
  }),
  weightsCache: z.string().prefault('').register(settingFacts, {
    group: 'Model',
    unit: 'path',
    meaning: 'Where weights that were made are kept; empty means octet/weights in the cache folder of the user.',
    limit: 'a path or empty',
  }),
  ...dialectSettings,
  weightsCacheMax: byteSize({ min: kibibyte, max: 64 * tebibyte, emptyMeans: 0 })
    .prefault('')
    .register(settingFacts, {
      group: 'Model',
      unit: 'bytes',
      meaning:
        'Size of that folder: past it, what was unused longest goes when new weights are made; empty means no limit.',
      limit: 'empty, or a size from 1KiB to 64TiB such as 512MiB or 4GiB',
    }),
  gpu: z.enum(['auto', 'cuda', 'vulkan', 'metal', 'off']).prefault('auto').register(settingFacts, {
    group: 'Model',
    unit: '',
    meaning: 'Which device computes; auto takes CUDA, then Vulkan, then the CPU (Metal on macOS).',
  }),
  gpuLayers: z.int().min(-1).max(10_000).prefault(-1).register(settingFacts, {
    group: 'Model',
    unit: 'layers',
    meaning: 'How many layers to put on the GPU; -1 means all.',
  }),
  threads: z.int().min(0).max(1024).prefault(0).register(settingFacts, {
    group: 'Model',
    unit: 'threads',
    meaning: 'CPU threads for the kernels; 0 means one per core.',
  }),
};

const cacheSettings = {
  kv: kvPair.prefault('q8_0').register(settingFacts, {
    group: 'KV cache',
    unit: '',
    meaning: 'Number format of the KV cache, for keys and values alike or as a pair; q8_0 is int8.',
    limit: `one of ${Object.keys(kvTypes).join(', ')}, or a pair K:V of them`,
  }),
  kvLayout: z.enum(['auto', 'pooled', 'per-sequence']).prefault('auto').register(settingFacts, {
    group: 'KV cache',
    unit: '',
    meaning:
      'One pool of blocks for all sequences, or an equal share for each; auto takes equal shares where each holds the longest sequence, unless octet tune measured that the pool is faster (with tuned).',
  }),
  kvBlocks: z.int().min(0).max(16_777_216).prefault(0).register(settingFacts, {
    group: 'KV cache',
    unit: 'blocks',
    meaning: 'Size of the KV cache in blocks; 0 means as many as memory allows.',
  }),
  kvMemory: byteSize({ min: kibibyte, max: 64 * tebibyte, emptyMeans: 0 })
    .prefault('')
    .register(settingFacts, {
      group: 'KV cache',
      unit: 'bytes',
      meaning: 'Size of the KV cache in bytes instead; empty means from the free memory of the device.',
      limit: 'empty, or a size from 1KiB to 64TiB such as 512MiB or 4GiB',
    }),
  blockTokens: z.int().min(1).max(1024).prefault(16).register(settingFacts, {
    group: 'KV cache',
    unit: 'tokens',
    meaning: 'Tokens of one block: the grain in which the cache is shared and evicted.',
  }),
  context: z.int().min(0).max(16_777_216).prefault(0).register(settingFacts, {
    group: 'KV cache',
    unit: 'tokens',
    meaning: "Longest sequence, prompt and output together; 0 means the model's training context.",
  }),
  parkMemory: autoByteSize({ min: 0, max: 64 * tebibyte })
    .prefault('auto')
    .register(settingFacts, {
      group: 'KV cache',
      unit: 'bytes',
      meaning: 'Host memory for the state of preempted sequences; auto is 1 GiB, less where memory is short.',
      limit: 'auto, or a size from 0 to 64TiB such as 512MiB or 4GiB',
    }),
  prefixMemory: autoByteSize({ min: 0, max: 64 * tebibyte })
    .prefault('auto')
    .register(settingFacts, {
      group: 'KV cache',
      unit: 'bytes',
      meaning:
        'Host memory for prefixes that make room in the KV cache, to be copied back instead of computed again; auto as above.',
      limit: 'auto, or a size from 0 (they are dropped) to 64TiB such as 512MiB or 4GiB',
    }),
};

const limitSettings = {
  queueRequestsMax: z.int().min(1).max(1_048_576).prefault(1024).register(settingFacts, {
    group: 'Limits',
    unit: 'requests',
    meaning: 'Waiting requests, above which new ones get 429.',
  }),
  queueTokensMax: z.int().min(1).max(1_099_511_627_776).prefault(4_194_304).register(settingFacts, {
    group: 'Limits',
    unit: 'tokens',
    meaning: 'Prompt tokens of all waiting requests, above which new ones get 429.',
  }),
  timeoutSeconds: z.number().min(0.001).max(604_800).prefault(600).register(settingFacts, {
    group: 'Limits',
    unit: 'seconds',
    meaning: 'Longest time from a request to its last token; a request may ask for less.',
  }),
  grammarTimeoutMs: z.int().min(1).max(600_000).prefault(10_000).register(settingFacts, {
    group: 'Limits',
    unit: 'milliseconds',
    meaning: 'Time to compile one grammar of structured output, above which the request gets 400.',
  }),
  bodyBytesMax: byteSize({ min: kibibyte, max: 1024 ** 3 })
    .prefault('10MiB')
    .register(settingFacts, {
      group: 'Limits',
      unit: 'bytes',
      meaning: 'Largest request body.',
      limit: 'a size from 1KiB to 1GiB such as 10MiB',
    }),
  ssePingSeconds: z.number().min(0.01).max(3600).prefault(15).register(settingFacts, {
    group: 'Limits',
    unit: 'seconds',
    meaning: 'Silence on a stream after which a comment line is sent, so that proxies keep it open.',
  }),
  slowReaderSeconds: z.number().min(0.01).max(3600).prefault(60).register(settingFacts, {
    group: 'Limits',
    unit: 'seconds',
    meaning: 'How long a client may leave its stream unread before it is cut off.',
  }),
};

const engineSettings = {
  engineHeartbeatSeconds: z.number().min(1).max(3600).prefault(10).register(settingFacts, {
    group: 'Engine process',
    unit: 'seconds',
    meaning: 'Silence of the engine process after which it is killed and replaced; it beats four times a second.',
  }),
  engineStepSeconds: z.number().min(0.1).max(86_400).prefault(600).register(settingFacts, {
    group: 'Engine process',
    unit: 'seconds',
    meaning: 'Longest native step, after which the engine process is killed and replaced.',
  }),
  engineNice: z.int().min(0).max(19).prefault(5).register(settingFacts, {
    group: 'Engine process',
    unit: 'steps of nice',
    meaning:
      'How far the engine process stands back for others: its threads fill every core, and HTTP answers must not wait.',
  }),
  engineRestartsMax: z.int().min(0).max(1_000_000).prefault(0).register(settingFacts, {
    group: 'Engine process',
    unit: 'restarts',
    meaning: 'Restarts in a row before the server gives up; 0 means no limit (back-off grows to 30 seconds).',
  }),
};

const loggingSettings = {
  logLevel: z
    .enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'])
    .prefault('info')
    .register(settingFacts, { group: 'Logging', unit: '', meaning: 'The least important lines that are logged.' }),
  logFormat: z.enum(['auto', 'json', 'pretty']).prefault('auto').register(settingFacts, {
    group: 'Logging',
    unit: '',
    meaning: 'One JSON object a line, or text for people; auto is pretty at a terminal.',
  }),
  logPrompts: z.boolean().prefault(false).register(settingFacts, {
    group: 'Logging',
    unit: '',
    meaning: 'Write prompts and answers to the log.',
  }),
};

/** Input: settings as written in a file. Output: settings as the program uses them, sizes in bytes. */
export const settingsSchema = z.object({
  ...modelSettings,
  ...speedSettings,
  ...serverSettings,
  ...cacheSettings,
  ...gateSettings,
  ...embeddingSettings,
  ...schedulingSettings,
  ...speculationSettings,
  ...limitSettings,
  ...responsesSettings,
  ...engineSettings,
  ...loggingSettings,
});

/** Every setting with its effective value. Sizes are bytes; `kvMemory` 0 means automatic. */
export type Settings = Readonly<z.infer<typeof settingsSchema>>;
