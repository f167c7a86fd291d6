// What is known of every setting besides its schema: group, unit, meaning, and bounds that a JSON schema cannot say.
// Why a registry: the facts stand beside each setting's schema, and whoever walks over the settings finds them there.

import { z } from 'zod';

export const settingGroups = [
  'Model',
  'Server',
  'KV cache',
  'Precision gate',
  'Embeddings',
  'Scheduling',
  'Limits',
  'Engine process',
  'Logging',
] as const;
export type SettingGroup = (typeof settingGroups)[number];

export interface SettingFacts {
  readonly group: SettingGroup;
  /** What the value is measured in, or how it is written; '' where the choices say it all. */
  readonly unit: string;
  readonly meaning: string;
  /** The bounds in words, where a JSON schema cannot say them. */
  readonly limit?: string;
  /** From the environment alone, and never printed. */
  readonly secret?: true;
  /** Its flag may be given several times, each with one entry of a list. */
  readonly repeats?: true;
}

export const settingFacts = z.registry<SettingFacts>();
