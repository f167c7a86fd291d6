// The settings of how the served model writes tool calls and reasoning.

import { z } from 'zod';
import { callFormatNames, reasoningFormatNames } from '../dialects/dialect.ts';
import { settingFacts } from './settings-facts.ts';

export const dialectSettings = {
  toolParser: z
    .enum(['auto', ...callFormatNames])
    .prefault('auto')
    .register(settingFacts, {
      group: 'Model',
      unit: '',
      meaning: 'How the model writes tool calls; auto reads it off the chat template.',
    }),
  reasoningParser: z
    .enum(['auto', 'none', ...reasoningFormatNames])
    .prefault('auto')
    .register(settingFacts, {
      group: 'Model',
      unit: '',
      meaning: 'How the model marks its reasoning; auto reads it off the chat template, none leaves it in the content.',
    }),
};
