import type { GenerateRequest, SamplingEngine, TrainablePolicy } from '@agent-lightning/core';
import { LetterBackend } from '../bench/learning/ailments/letter-model.ts';

/** The letter model for chats that hold other texts too: it reads the messages of one letter, and the trace keeps all of them. */
export class DeafLetters extends LetterBackend {
  override async createPolicy(options: Parameters<LetterBackend['createPolicy']>[0]): Promise<TrainablePolicy> {
    const policy = await super.createPolicy(options);
    const publish = policy.publish.bind(policy);
    policy.publish = async (version) => {
      const snapshot = await publish(version);
      return snapshot.kind === 'engine' ? { ...snapshot, engine: readLetters(snapshot.engine) } : snapshot;
    };
    return policy;
  }
}

function readLetters(engine: SamplingEngine): SamplingEngine {
  return {
    contextLength: engine.contextLength,
    generate: (request, signal) => engine.generate({ ...request, input: onlyLetters(request.input) }, signal),
  };
}

function onlyLetters(input: GenerateRequest['input']): GenerateRequest['input'] {
  if (!('messages' in input)) return input;
  return {
    ...input,
    messages: input.messages.filter(({ content }) => typeof content === 'string' && content.length === 1),
  };
}
