/** The shapes in which each kind of Tinker-style server answers, as read from the real ones. */
import type { JsonValue } from '@agent-lightning/core';
import type { ServerKind } from '../../src/server-kinds.ts';

export interface FakeAnswer {
  readonly status: number;
  readonly body: JsonValue;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Why a request is refused or an operation failed. */
export class FakeFault {
  readonly status: number;
  readonly message: string;
  readonly field: string;
  readonly code: string | undefined;

  constructor(status: number, message: string, field: string = '', code?: string) {
    this.status = status;
    this.message = message;
    this.field = field;
    this.code = code;
  }
}

export interface PassNumbers {
  /** Per datum, shape (N,). */
  readonly logprobs: readonly (readonly number[])[];
  readonly loss: number | undefined;
  readonly entropy: number;
  readonly trainedTokens: number;
}

/** How one kind of server words its answers. */
export interface FakeShapes {
  capabilities(modelName: string, contextLength: number): JsonValue;
  accepted(requestId: string, modelId: string): JsonValue;
  notReady(requestId: string, queueState: string): FakeAnswer;
  unknownFuture(): FakeAnswer;
  /** Answers a request that is refused before it is accepted. */
  refused(fault: FakeFault): FakeAnswer;
  /** An operation that was accepted and failed. */
  failed(fault: FakeFault): FakeAnswer;
  pass(numbers: PassNumbers): JsonValue;
  step(gradientNorm: number, step: number, learningRate: number): JsonValue;
  samplerSaved(path: string, sessionId: string | undefined): JsonValue;
}

const tensor = (data: readonly number[]): JsonValue => ({ data: [...data], dtype: 'float32', shape: [data.length] });
const plainCapabilities = (name: string, length: number): JsonValue => ({
  supported_models: [{ model_name: name, max_context_length: length }],
});
const tryAgain = (requestId: string, queueState: string): JsonValue => ({
  type: 'try_again',
  request_id: requestId,
  queue_state: queueState,
  queue_state_reason: queueState === 'active' ? null : `the queue is ${queueState}`,
});

export const fakeShapes: Readonly<Record<ServerKind, FakeShapes>> = {
  worker: {
    capabilities: (name, length) => ({
      supported_models: [{ model_name: name, max_context_length: length }],
      worker: {
        version: '0.1.0',
        losses: ['importance_sampling', 'ppo', 'cispo', 'cross_entropy'],
        dual_clip: true,
        adam_fields: ['learning_rate', 'beta1', 'beta2', 'eps', 'weight_decay', 'grad_clip_norm'],
        max_datum_tokens: length,
        device: 'none',
        dtype: 'float64',
        full_fine_tune: true,
        mask: true,
        temperature: true,
        load_in_place: true,
        description: 'a table of token pairs',
      },
    }),
    accepted: (requestId, modelId) => ({ request_id: requestId, model_id: modelId }),
    notReady: (requestId, state) => ({ status: 200, body: tryAgain(requestId, state) }),
    unknownFuture: () => ({ status: 410, body: { error: 'unknown future', category: 'user' } }),
    refused: ({ status, message, field, code }) => ({
      status,
      body: { error: message, field, category: 'user', ...(code === undefined ? {} : { code }) },
    }),
    failed: ({ status, message, code }) => ({
      status: 200,
      body: {
        error: message,
        category: status >= 500 ? 'server' : 'user',
        ...(code === undefined ? {} : { code }),
      },
    }),
    pass: ({ logprobs, loss, entropy, trainedTokens }) => ({
      loss_fn_output_type: 'logprobs',
      loss_fn_outputs: logprobs.map((values) => ({ logprobs: tensor(values) })),
      metrics: {
        ...(loss === undefined ? {} : { 'loss:sum': loss }),
        'entropy:sum': entropy,
        'trained_tokens:sum': trainedTokens,
      },
    }),
    step: (norm, step) => ({ metrics: { grad_norm: norm, step } }),
    samplerSaved: (path, sessionId) => (sessionId === undefined ? { path } : { sampling_session_id: sessionId }),
  },
  skyrl: {
    capabilities: (name) => ({ supported_models: [{ model_name: name }] }),
    accepted: (requestId) => ({ future_id: requestId, status: 'pending', request_id: requestId }),
    notReady: () => ({ status: 408, body: { detail: 'Timeout waiting for result' } }),
    unknownFuture: () => ({ status: 404, body: { detail: 'Future not found' } }),
    refused: ({ status, message, field }) =>
      status === 400
        ? { status: 422, body: { detail: [{ type: 'value_error', loc: ['body', field], msg: message }] } }
        : { status, body: { detail: message } },
    failed: ({ message }) => ({ status: 400, body: { detail: message } }),
    pass: ({ logprobs }) => ({
      loss_fn_output_type: 'scalar',
      loss_fn_outputs: logprobs.map((values) => ({ logprobs: tensor(values) })),
      metrics: {},
    }),
    step: (norm, _, learningRate) => ({
      metrics: { 'skyrl.ai/grad_norm': norm, 'skyrl.ai/learning_rate': learningRate },
    }),
    samplerSaved: (path, sessionId) => ({
      path: sessionId === undefined ? path.replace('/sampler_weights/', '/') : null,
      type: 'save_weights_for_sampler',
      sampling_session_id: sessionId ?? null,
    }),
  },
  tinker: {
    capabilities: plainCapabilities,
    accepted: (requestId, modelId) => ({ request_id: requestId, model_id: modelId }),
    notReady: (requestId, state) => ({ status: 408, body: tryAgain(requestId, state) }),
    unknownFuture: () => ({ status: 410, body: { message: 'promise expired' } }),
    refused: ({ status, message }) => ({ status, body: { message } }),
    failed: ({ status, message }) => ({
      status: 200,
      body: { error: message, category: status >= 500 ? 'server' : 'user' },
    }),
    pass: ({ logprobs, loss }) => ({
      loss_fn_output_type: 'TensorData',
      loss_fn_outputs: logprobs.map((values) => ({ logprobs: tensor(values) })),
      metrics: loss === undefined ? {} : { 'loss:sum': loss },
    }),
    step: () => ({ metrics: {} }),
    samplerSaved: (path, sessionId) =>
      sessionId === undefined
        ? { type: 'save_weights_for_sampler', path }
        : { type: 'save_weights_for_sampler', sampling_session_id: sessionId },
  },
};
