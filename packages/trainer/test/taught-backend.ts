import type { TrainablePolicy, TrainingBackend } from '@agent-lightning/core';
import { BigramBackend, type BigramPolicy } from './bigram-backend.ts';

const vocabularySize = 27;

/** A model of letters that knows the alphabet. */
export class TaughtBackend extends BigramBackend {
  override readonly name: string = 'taught';

  override async createPolicy(spec: Parameters<TrainingBackend['createPolicy']>[0]): Promise<TrainablePolicy> {
    const policy = (await super.createPolicy(spec)) as BigramPolicy;
    for (let letter = 0; letter < 26; letter++) policy.logits[letter * vocabularySize + ((letter + 1) % 26)] = 5;
    return policy;
  }
}
