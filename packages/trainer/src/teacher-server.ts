import { check, ConfigurationError } from '@agent-lightning/core';

/**
 * A teacher on a server that speaks OpenAI's dialect: of `sft` any, of `distill` one of vLLM, which reports log-probabilities of given tokens
 * (`prompt_logprobs`).
 */
export interface TeacherServerOptions {
  /** Ends in `/v1` on most servers, such as `https://api.openai.com/v1` or `http://127.0.0.1:8000/v1`. It holds no user, password, query and fragment. */
  readonly baseUrl: string;
  /** The server's name of the model. */
  readonly model: string;
  /** Sent as a bearer token; it is in no message, file or trace. @default none is sent */
  readonly apiKey?: string;
}

/**
 * Checks a teacher on a server. The path of a request is appended to its URL, so that a query could not reach the server.
 * @param option the name of the option, such as `sft.teacher`
 * @throws {ConfigurationError} `option-invalid`, which shows no URL and no key
 */
export function resolveTeacherServer(option: string, teacher: TeacherServerOptions): TeacherServerOptions {
  check.knownOptions(option, teacher, ['baseUrl', 'model', 'apiKey']);
  const { baseUrl, model, apiKey } = teacher;
  if (!isPlainUrl(baseUrl))
    throw new ConfigurationError(
      `${option}.baseUrl must be a URL such as http://127.0.0.1:8000/v1 or https://api.openai.com/v1, without a user, a password, a query and a fragment; its value is not shown, since it may hold a key. Give the key as ${option}.apiKey`,
      { code: 'option-invalid' },
    );
  if (typeof model !== 'string' || model === '')
    throw check.optionInvalid(`${option}.model`, model, "the server's name of the model");
  if (apiKey !== undefined && typeof apiKey !== 'string')
    throw check.optionInvalid(`${option}.apiKey`, typeof apiKey, 'a text');
  return Object.freeze({ ...teacher });
}

/** Returns a teacher on a server as a run's record has it: without its key. */
export function describeTeacherServer({ baseUrl, model }: TeacherServerOptions): Readonly<Record<string, string>> {
  return { baseUrl, model };
}

function isPlainUrl(baseUrl: unknown): boolean {
  if (typeof baseUrl !== 'string' || !URL.canParse(baseUrl)) return false;
  const { protocol, username, password } = new URL(baseUrl);
  return /^https?:$/.test(protocol) && `${username}${password}` === '' && !/[?#]/.test(baseUrl);
}
