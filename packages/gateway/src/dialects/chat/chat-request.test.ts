import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ReplyError } from '../../http/reply-error.ts';
import { parseChatRequest } from './chat-request.ts';
import { mapEngineRequest } from '../../engine/engine-request.ts';
import { applySamplingRules, resolveSampling } from '../../capture/sampling-rules.ts';

const known = ['model', 'messages', 'n', 'temperature', 'top_p', 'max_tokens', 'max_completion_tokens', 'stop', 'seed'];
const more = [
  'stream',
  'stream_options',
  'logprobs',
  'top_logprobs',
  'tools',
  'tool_choice',
  'response_format',
  'logit_bias',
];
const sampling = resolveSampling().train;

describe('a chat request', () => {
  it('is understood or refused with its field, never anything else, whatever its body', () => {
    const message = fc.record({ role: fc.string(), content: fc.jsonValue() });
    const value = fc.oneof(fc.jsonValue(), fc.constant('policy'), fc.array(message, { minLength: 1, maxLength: 2 }));
    const name = fc.oneof(fc.constantFrom(...known, ...more), fc.string());
    const body = fc.tuple(fc.dictionary(name, value, { maxKeys: 6 }), fc.boolean());
    let accepted = 0;
    fc.assert(
      fc.property(body, fc.constantFrom('prompt', 'grammar'), ([fields, isWhole], structuredOutput) => {
        const whole = {
          ...(isWhole ? { model: 'policy', messages: [{ role: 'user', content: 'hi' }] } : {}),
          ...fields,
        };
        try {
          const { request } = applySamplingRules(parseChatRequest(whole), {
            sampling,
            structuredOutput,
            dropsUnknown: false,
            dropsEffort: false,
            seed: 7,
          });
          const mapped = mapEngineRequest(request);
          expect(mapped.temperature).toBe(1);
          accepted += 1;
        } catch (error) {
          expect(error).toBeInstanceOf(ReplyError);
          expect((error as ReplyError).status).toBe(400);
          expect((error as ReplyError).param).toBeTypeOf('string');
        }
      }),
      { numRuns: 10_000 },
    );
    expect(accepted).toBeGreaterThan(100);
  });
});
