import type { LlmEndpoint } from '@agent-lightning/core';
import { isOwnAddress } from '../command/own-address.ts';

/**
 * The names by which a container reaches the machine that runs it, unless it shares that machine's network. Podman writes its own into the
 * hosts of every container; Docker's has to be added, by a word that Podman before 4.7 does not know.
 */
export const hostNames = { docker: 'host.docker.internal', podman: 'host.containers.internal' } as const;

/** A kind of engine, whatever the name of its program. */
export type EngineKind = keyof typeof hostNames;

/** Tells whether containers on a network get the name of this machine: those on its own network, on none or on another container's cannot. */
export function namesHost(network: string | undefined): boolean {
  return network === undefined || !(network === 'host' || network === 'none' || network.startsWith('container:'));
}

/** Returns the endpoint as a container reaches it: where it gets the name of this machine, a loopback address would be its own. */
export function containerEndpoint(llm: LlmEndpoint, network: string | undefined, engine: EngineKind): LlmEndpoint {
  const url = new URL(llm.baseUrl);
  if (!namesHost(network) || !isOwnAddress(url.hostname)) return llm;
  const host = hostNames[engine];
  // By text, for a URL's own form would change what the gateway wrote, such as a missing last slash.
  return { ...llm, baseUrl: llm.baseUrl.replace(url.host, url.port === '' ? host : `${host}:${url.port}`) };
}
