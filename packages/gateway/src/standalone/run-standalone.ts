import { Gateway } from '../gateway.ts';
import type { GatewayLogEntry } from '../gateway-log.ts';
import type { UpstreamServers } from '../policies/model-options.ts';
import { openStore } from './open-store.ts';
import type { StandaloneConfig } from './standalone-config.ts';

/** A gateway that runs on its own. */
export interface Standalone {
  readonly url: string;
  /** Lets calls in flight finish, stores what was captured and closes the store; a second call returns the same promise. */
  stop(): Promise<void>;
}

/** Starts a gateway from its configuration. @throws {ConfigurationError} `option-invalid` | `port-unavailable` */
export async function runStandalone(
  config: StandaloneConfig,
  log: (entry: GatewayLogEntry) => void,
): Promise<Standalone> {
  const store = await openStore(config.store, config.directory);
  let gateway: Gateway;
  try {
    gateway = await Gateway.start({ ...config.options, store, log });
    for (const [policy, { upstream, model, version }] of Object.entries(config.policies)) {
      const servers = config.options.upstreams?.[upstream] as UpstreamServers;
      gateway.publish(policy, { kind: 'openai', version, model, ...servers });
    }
  } catch (error) {
    await store.close?.();
    throw error;
  }
  let stopping: Promise<void> | undefined;
  return {
    url: gateway.url,
    stop() {
      stopping ??= (async () => {
        try {
          await gateway.close({ drainMs: config.drainMs });
        } finally {
          await store.close?.();
        }
      })();
      return stopping;
    },
  };
}
