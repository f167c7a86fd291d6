// The draft model's file, and whether its vocabulary is the model's: known before weights are made, which may take minutes.

import type { LlamaModel } from '../llama/model.ts';
import { vocabularyFaults } from '../llama/same-vocabulary.ts';
import type { Settings } from './settings-schema.ts';
import { guessesBy } from './settings-speculation.ts';

export interface FindDraftParts {
  /** Of the model that is served. */
  readonly vocabulary: LlamaModel;
  /** The file of a path, a URL or an hf: name. */
  readonly find: (source: string) => Promise<string>;
  readonly loadVocabulary: (path: string) => Promise<LlamaModel>;
}

/** Undefined where none is wished for; throws an Error for the operator where it cannot guess for the model. */
export async function findDraft(
  { speculative, draft: source }: Settings,
  { vocabulary, find, loadVocabulary }: FindDraftParts,
): Promise<string | undefined> {
  if (!guessesBy(speculative, 'draft')) return undefined;
  const path = await find(source);
  const draft = await loadVocabulary(path);
  const faults = vocabularyFaults(vocabulary, draft);
  draft.dispose();
  if (faults.length > 0)
    throw new Error(`the draft model ${path} does not have the model's vocabulary: ${faults.join('; ')}`);
  return path;
}
