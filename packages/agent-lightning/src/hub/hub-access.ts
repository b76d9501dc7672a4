import { HubApiError } from '@huggingface/hub';
import { BackendError, ConfigurationError, LightningError } from '@agent-lightning/core';

/** The hub to ask, and the token to ask with. */
export interface HubAccess {
  readonly hubUrl: string;
  readonly accessToken?: string;
}

/**
 * Returns the hub of the environment: HF_ENDPOINT, else https://huggingface.co, with the token HF_TOKEN where it is set.
 * @throws {ConfigurationError} `option-invalid` for a token of another form
 */
export function findHubAccess(environment: NodeJS.ProcessEnv): HubAccess {
  const { HF_ENDPOINT: endpoint, HF_TOKEN: token } = environment;
  if (token && !token.startsWith('hf_'))
    throw new ConfigurationError(
      'download: HF_TOKEN is no token of the hub, which begins with hf_; correct it or unset it',
      {
        code: 'option-invalid',
      },
    );
  return {
    hubUrl: (endpoint || 'https://huggingface.co').replace(/\/+$/, ''),
    ...(token && { accessToken: token }),
  };
}

/** Returns the options of the hub's client: where it asks, and a `fetch` that a signal ends. */
export function toClientOptions(access: HubAccess, signal: AbortSignal): HubAccess & { readonly fetch: typeof fetch } {
  return { ...access, fetch: async (input, options) => await fetch(input, { ...options, signal }) };
}

/** Returns the error of the project for one of the hub's, with what to do. */
export function toHubError(name: string, error: unknown): LightningError {
  if (LightningError.isInstance(error)) return error;
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof HubApiError && [401, 403, 404].includes(error.statusCode))
    return new ConfigurationError(
      `download ${name}: the hub answers ${error.statusCode}. ${
        error.statusCode === 404
          ? 'Look at the spelling of organization/name and of the revision'
          : 'There is no such model, or it is private or asks you to accept a licence: accept it on its page, make a token at https://huggingface.co/settings/tokens, and set HF_TOKEN'
      }.`,
      { code: 'option-invalid', cause: error },
    );
  const cause = error instanceof Error && error.cause instanceof Error ? ` (${error.cause.message})` : '';
  return new BackendError(
    `download ${name}: ${message}${cause}. Run the command again: it goes on where it stopped. HF_ENDPOINT names another hub, such as a mirror.`,
    { code: 'command-failed', retryable: true, cause: error },
  );
}
