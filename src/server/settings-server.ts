// Settings of the HTTP server: where it listens, and who may ask.

import { z } from 'zod';
import { settingFacts } from './settings-facts.ts';
import { keyList, originList } from './settings-forms.ts';

/** Shape to spread into the table of settings. */
export const serverSettings = {
  host: z.string().min(1).prefault('127.0.0.1').register(settingFacts, {
    group: 'Server',
    unit: 'address',
    meaning: 'The address to listen on; 0.0.0.0 or :: means every network.',
    limit: 'an address or a host name',
  }),
  port: z.int().min(0).max(65_535).prefault(8080).register(settingFacts, {
    group: 'Server',
    unit: '',
    meaning: 'The TCP port to listen on; 0 takes a free one.',
  }),
  apiKeysFile: z.string().prefault('').register(settingFacts, {
    group: 'Server',
    unit: 'path',
    meaning: 'A file of API keys, one a line, # for comments; empty means no keys from a file.',
    limit: 'a path or empty',
  }),
  apiKeys: keyList.prefault('').register(settingFacts, {
    group: 'Server',
    unit: 'comma list',
    meaning: 'API keys; requests then need one of them, or of the file, as a bearer token.',
    limit: 'a comma list of keys of 1 to 512 printable ASCII characters without blanks',
    secret: true,
  }),
  corsOrigins: originList.prefault('').register(settingFacts, {
    group: 'Server',
    unit: 'comma list',
    meaning: 'Origins whose web sites may call this server; * means every one, empty means none.',
    limit: 'a comma list of origins such as https://example.org, or *',
  }),
  docs: z.boolean().prefault(true).register(settingFacts, {
    group: 'Server',
    unit: '',
    meaning: 'Serve the API reference at /docs and its document at /openapi.json; neither asks for a key.',
  }),
  drainSeconds: z.number().min(0).max(86_400).prefault(30).register(settingFacts, {
    group: 'Server',
    unit: 'seconds',
    meaning: 'How long running requests may still take after SIGTERM before they are ended.',
  }),
};
