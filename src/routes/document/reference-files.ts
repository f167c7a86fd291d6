// The files of the reference: Swagger UI's own from its package, and ours. Nothing comes from the network.
// Why read at first use: most servers are never asked, and the script alone is 1.7 MB.

import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { referenceScript, referenceStyle } from './reference-html.ts';

export interface WebFile {
  readonly mediaType: string;
  readonly bytes: Buffer;
  readonly gzipped: Buffer;
  /** As in the header, with its quotes. */
  readonly etag: string;
}

const compress = promisify(gzip);

const packageFiles = {
  'swagger-ui-bundle.js': 'text/javascript; charset=utf-8',
  'swagger-ui.css': 'text/css; charset=utf-8',
  'favicon-32x32.png': 'image/png',
} as const;

export async function webFile(content: string | Buffer, mediaType: string): Promise<WebFile> {
  const bytes = typeof content === 'string' ? Buffer.from(content) : content;
  const digest = createHash('sha256').update(bytes).digest('base64url').slice(0, 22);
  return { mediaType, bytes, gzipped: await compress(bytes), etag: `"${digest}"` };
}

/** By name. Throws when the package is not installed. */
export async function readReferenceFiles(): Promise<ReadonlyMap<string, WebFile>> {
  const folder = path.dirname(createRequire(import.meta.url).resolve('swagger-ui-dist/package.json'));
  const read = Object.entries(packageFiles).map(async ([name, mediaType]) => {
    return [name, await webFile(await readFile(path.join(folder, name)), mediaType)] as const;
  });
  return new Map([
    ...(await Promise.all(read)),
    ['octet.js', await webFile(referenceScript, packageFiles['swagger-ui-bundle.js'])],
    ['octet.css', await webFile(referenceStyle, packageFiles['swagger-ui.css'])],
  ]);
}
