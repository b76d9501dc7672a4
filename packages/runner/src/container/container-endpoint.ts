import type { LlmEndpoint } from '@agent-lightning/core';
import { isLoopback } from '../command/loopback.ts';

/** The name by which a container reaches the machine that runs it, unless it shares that machine's network. */
export const hostName = 'host.docker.internal';

/** Returns the endpoint as a container reaches it: a loopback address of this machine would be the container's own. */
export function containerEndpoint(llm: LlmEndpoint, network: string | undefined): LlmEndpoint {
  const url = new URL(llm.baseUrl);
  if (network === 'host' || !isLoopback(url.hostname)) return llm;
  // By text, for a URL's own form would change what the gateway wrote, such as a missing last slash.
  return { ...llm, baseUrl: llm.baseUrl.replace(url.host, url.port === '' ? hostName : `${hostName}:${url.port}`) };
}
