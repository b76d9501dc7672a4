import type { LightningStore } from '@agent-lightning/core';
import { agl10Routes } from './agl10/agl10-routes.ts';
import { agl03Routes } from './agl03/agl03-routes.ts';
import { AglResourcesView } from './agl03/agl-resources.ts';
import { RolloutLines } from './agl03/rollout-lines.ts';
import { RolloutView } from './agl03/rollout-view.ts';
import type { MountedGateway } from './gateway-routes.ts';
import type { RouteSet } from './http/route.ts';
import { SequenceNumbers } from './otlp/sequence-numbers.ts';
import { SpanIntake } from './otlp/span-intake.ts';
import { traceRoutes, type TraceRoutesOptions } from './otlp/trace-routes.ts';

export interface CompatibleOptions {
  readonly store: LightningStore;
  readonly agentRewards: boolean;
  /** Applies the store's time limits before what clients of Agent Lightning 0.3 ask, as its own server does. */
  readonly watches: boolean;
  /** The gateway on the same port. */
  readonly gateway: MountedGateway | undefined;
  readonly modelWaitMs: number;
  /** Called for each export of OpenTelemetry some of whose spans were not taken. */
  readonly onRejected: TraceRoutesOptions['onRejected'];
  /** Ends what follows the store. */
  readonly signal: AbortSignal;
}

/** The queue of rollouts that name none, which clients of Agent Lightning 0.3 cannot. */
const queue = 'default';

/** Serves the protocols of others: Agent Lightning 0.3's, 1.0's, and traces of OpenTelemetry. */
export function compatibleRoutes({
  store,
  agentRewards,
  watches,
  gateway,
  modelWaitMs,
  onRejected,
  signal,
}: CompatibleOptions): readonly RouteSet[] {
  const lines = new RolloutLines(store);
  const view = new RolloutView(lines);
  const numbers = new SequenceNumbers(store);
  const resources = new AglResourcesView(store);
  const intake = new SpanIntake({ store, agentRewards, findHome: (ids) => lines.home(ids) });
  void resources.follow(signal);
  return [
    agl03Routes({ store, view, intake, numbers, resources, queue, watches }),
    agl10Routes({ store, agentRewards, gateway, modelWaitMs }),
    traceRoutes({ intake, numbers, onRejected }),
  ];
}
