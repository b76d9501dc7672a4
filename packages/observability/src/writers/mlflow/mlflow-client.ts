import { LightningError, TrainerError } from '@agent-lightning/core';

/** A place of an MLflow server, and how to get in. */
export interface MlflowServer {
  /** The server's address, without `/api`. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** The credentials in it, which no message may repeat. */
  readonly secrets: readonly string[];
  /** The longest time of one request, in milliseconds. */
  readonly requestTimeoutMs: number;
}

/**
 * Asks a route of MLflow's REST API, version 2.0.
 * @throws {TrainerError} `upstream-failed` when the server is away, `upstream-rejected` when it refuses
 */
export async function askMlflow<Reply>(
  server: MlflowServer,
  method: 'GET' | 'POST',
  route: string,
  given: Readonly<Record<string, unknown>>,
): Promise<Reply> {
  const url = new URL(`${server.url.replace(/\/+$/, '')}/api/2.0/mlflow/${route}`);
  if (method === 'GET') for (const [name, value] of Object.entries(given)) url.searchParams.set(name, String(value));
  let text: string;
  let response: Response;
  try {
    response = await fetch(url, {
      method,
      headers: { 'content-type': 'application/json', ...server.headers },
      signal: AbortSignal.timeout(server.requestTimeoutMs),
      ...(method === 'POST' ? { body: JSON.stringify(given) } : {}),
    });
    text = await response.text();
  } catch (cause) {
    throw new TrainerError(`MLflow at ${server.url} cannot be reached for ${route}: ${describe(cause)}`, {
      code: 'upstream-failed',
      retryable: true,
      cause,
    });
  }
  if (response.ok) return parse<Reply>(server, route, text);
  throw new TrainerError(
    `MLflow at ${server.url} answered ${route} with ${response.status}: ${quote(server, text, 300)}`,
    {
      code: response.status >= 500 ? 'upstream-failed' : 'upstream-rejected',
      retryable: response.status >= 500,
    },
  );
}

function parse<Reply>(server: MlflowServer, route: string, text: string): Reply {
  try {
    return JSON.parse(text) as Reply;
  } catch (cause) {
    throw new TrainerError(
      `what answers at ${server.url} is no MLflow server: ${route} gave ${JSON.stringify(quote(server, text, 100))}`,
      { code: 'upstream-malformed', cause },
    );
  }
}

/** Returns the beginning of what a server said, without the credentials that it was given. */
function quote({ secrets }: MlflowServer, text: string, characters: number): string {
  return secrets.reduce((shown, secret) => LightningError.hideKey(shown, secret), text).slice(0, characters);
}

function describe(cause: unknown): string {
  const inner = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause;
  return inner instanceof Error ? inner.message : String(inner);
}
