import type { LlmEndpoint } from '@agent-lightning/core';
import { isOwnAddress } from '../command/own-address.ts';
import { unreachable, type ResolvedJobOptions } from './job-options.ts';

/** Returns the endpoint as a pod reaches it. @throws {ConfigurationError} `option-invalid` for a loopback address, which would be the pod's own */
export function jobEndpoint(
  llm: LlmEndpoint,
  { gatewayUrl, template }: Pick<ResolvedJobOptions<never>, 'gatewayUrl' | 'template'>,
): LlmEndpoint {
  const url = new URL(llm.baseUrl);
  // By text, for a URL's own form would change what the gateway wrote, such as a missing last slash.
  if (gatewayUrl !== undefined)
    return { ...llm, baseUrl: llm.baseUrl.replace(/^[a-z]+:\/\/[^/]+/i, gatewayUrl.origin) };
  if (isOwnAddress(url.hostname) && !template.isOnHost) throw unreachable(llm.baseUrl);
  return llm;
}
