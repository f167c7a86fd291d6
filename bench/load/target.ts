// Finds out what a server serves and who it is: the model's id, and the version it tells.
// Why asked and not only taken from flags: results are kept, and a result without the versions behind it says little.

import path from 'node:path';
import { z } from 'zod';
import type { Api, Target } from './types.ts';

export interface TargetOptions {
  readonly name: string;
  readonly url: string;
  readonly api: Api;
  /** Empty: the first model that the server lists. */
  readonly model: string;
  readonly key: string;
  readonly schema?: object | undefined;
}

/** Asks the server for its models when none is named. Throws an Error with the address when it cannot be reached. */
export async function openTarget(options: TargetOptions): Promise<Target> {
  const url = new URL(options.url);
  const target = { ...options, url };
  if (options.model !== '') return target;
  const listed = modelList.safeParse(await getJson(target, '/v1/models'));
  const first = listed.data?.data[0]?.id;
  if (first === undefined) throw new Error(`${url.href} lists no model at /v1/models; name one with --model`);
  return { ...target, model: first };
}

/** What is kept about a target in a results file: no key, and of a model named by a file path only the file's name. */
export async function describeTarget(target: Target): Promise<Readonly<Record<string, string>>> {
  return {
    name: target.name,
    url: target.url.href,
    api: target.api,
    model: path.basename(target.model),
    version: await findVersion(target),
    ...(target.schema === undefined ? {} : { schema: JSON.stringify(target.schema) }),
  };
}

async function findVersion(target: Target): Promise<string> {
  const answer = await getJson(target, '/version').catch(() => undefined);
  const told = versionAnswer.safeParse(answer);
  if (told.success)
    return Object.entries(told.data)
      .map(([name, value]) => `${name} ${value}`)
      .join(', ');
  const props = propsAnswer.safeParse(await getJson(target, '/props').catch(() => undefined));
  return props.success ? `llama-server ${props.data.build_info}` : 'unknown';
}

async function getJson(target: Target, pathname: string): Promise<unknown> {
  const address = target.url.href.replace(/\/$/, '') + pathname;
  const headers = target.key === '' ? {} : { authorization: `Bearer ${target.key}` };
  const response = await fetch(address, { headers, signal: AbortSignal.timeout(10_000) }).catch((error: unknown) => {
    throw new Error(`cannot reach ${address}: ${reasonOf(error)}`);
  });
  if (!response.ok) throw new Error(`${address} answered ${response.status}`);
  return response.json();
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? error.cause.message || error.message : error.message;
}

const modelList = z.object({ data: z.array(z.object({ id: z.string() })) });
/** Octet's answer: names of its parts and their versions. */
const versionAnswer = z.record(z.string(), z.string()).refine((parts) => parts['octet'] !== undefined);
const propsAnswer = z.object({ build_info: z.string() });
