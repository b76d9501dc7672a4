import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { RunDetails } from '../../../src/api.ts';
import type { LiveGateway, LiveLease, LiveQueue, LiveState, LiveWorker } from '../../../src/live/shapes.ts';
import { useResource } from '../fetch.ts';
import { formatCount, formatSeconds } from '../format.ts';
import { Figure } from '../parts/figure.tsx';
import { Problem, Waiting } from '../parts/messages.tsx';
import { Link, pageOf } from '../router.tsx';

/** The time from a reply to the next look: a slow store is never asked again while it answers. */
const lookMs = 2_000;

/** Shows what works on a run now: the queue, the runners and what each of them runs, and the gateway. */
export function LivePage({ details }: { readonly details: RunDetails }): JSX.Element {
  const [looks, setLooks] = useState(0);
  const reply = useResource<LiveState>(pageOf(['api', 'runs', details.id, 'live']), looks);
  const { data, error } = reply;
  const hasReply = data !== undefined || error !== undefined;
  useEffect(() => {
    if (!hasReply) return undefined;
    const timer = setInterval(() => {
      if (document.visibilityState !== 'visible') return;
      clearInterval(timer);
      setLooks((count) => count + 1);
    }, lookMs);
    return () => clearInterval(timer);
  }, [hasReply, hasReply && reply]); // each reply is an object of its own
  if (error !== undefined) return <Problem title="What works now cannot be shown" text={error} />;
  if (data === undefined) return <Waiting />;
  const { queue, workers, leases, running, hasMoreRunning, gateway } = data;
  const rollouts = (status: string): string => pageOf(['runs', details.id, 'rollouts'], { status });
  return (
    <div class="live-page">
      <h1 class="reader">What works on {details.id} now</h1>
      <div class="figures">
        <Figure name="rollouts that wait" to={rollouts('queuing')}>
          {formatCount(queue.waiting)}
          {queue.hasMoreWaiting === true ? ' or more' : ''}{' '}
          {queue.oldestMs === undefined ? undefined : (
            <small>the longest for {formatSeconds(queue.oldestMs / 1_000)}</small>
          )}
        </Figure>
        <Figure name="rollouts that run" to={rollouts('running')}>
          {formatCount(running)}
          {hasMoreRunning === true ? ' or more' : ''}
        </Figure>
        <Figure name="runners of the store seen in the last minute">
          {formatCount(workers.filter(({ seenMs }) => seenMs < 60_000).length)}
        </Figure>
        <Figure name="model calls in flight">{gateway.isReached ? formatCount(gateway.inFlight) : '–'}</Figure>
      </div>
      <Leases run={details.id} leases={leases} running={running} />
      <Workers workers={workers} />
      <Queue queue={queue} />
      <Gateway gateway={gateway} />
    </div>
  );
}

function Leases({
  run,
  leases,
  running,
}: {
  readonly run: string;
  readonly leases: readonly LiveLease[];
  readonly running: number;
}): JSX.Element {
  return (
    <section class="card">
      <h2>What runs</h2>
      {leases.length === 0 ? (
        <p class="hint">No rollout runs now.</p>
      ) : (
        <div class="roll" tabIndex={0} role="group" aria-label="Rollouts that run">
          <table>
            <thead>
              <tr>
                <th>rollout</th>
                <th>task</th>
                <th class="n">try</th>
                <th>runner</th>
                <th class="n">for</th>
                <th class="n">silent for</th>
                <th class="n">lease</th>
              </tr>
            </thead>
            <tbody>
              {leases.map((lease) => (
                <tr key={lease.rolloutId}>
                  <td>
                    <Link to={pageOf(['runs', run, 'rollouts', lease.rolloutId])}>{lease.rolloutId}</Link>
                  </td>
                  <td class="text">{lease.task.slice(0, 120)}</td>
                  <td class="n">{lease.attempt}</td>
                  <td>{lease.worker}</td>
                  <td class="n">{formatSeconds(lease.runningMs / 1_000)}</td>
                  <td class="n">{formatSeconds(lease.silentMs / 1_000)}</td>
                  <td class="n">
                    {lease.leaseMs >= 0 ? (
                      `${formatSeconds(lease.leaseMs / 1_000)} left`
                    ) : (
                      <span class="badge bad">✕ over for {formatSeconds(-lease.leaseMs / 1_000)}</span>
                    )}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {running > leases.length && leases.length > 0 ? (
        <p class="hint">{formatCount(running - leases.length)} more run.</p>
      ) : undefined}
    </section>
  );
}

function Workers({ workers }: { readonly workers: readonly LiveWorker[] }): JSX.Element {
  return (
    <section class="card">
      <h2>Runners of the store</h2>
      <p class="hint">
        A runner is seen when it claims a rollout and while it runs one; one that waits for work is silent.
      </p>
      {workers.length === 0 ? (
        <p class="hint">No runner has claimed a rollout of this store yet.</p>
      ) : (
        <table class="narrow">
          <thead>
            <tr>
              <th>runner</th>
              <th class="n">runs</th>
              <th class="n">last seen</th>
            </tr>
          </thead>
          <tbody>
            {workers.map(({ id, active, seenMs }) => (
              <tr key={id}>
                <td class="text">{id}</td>
                <td class="n">{formatCount(active)}</td>
                <td class="n">{seenMs < 1_000 ? 'now' : `${formatSeconds(seenMs / 1_000)} ago`}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}

function Queue({ queue }: { readonly queue: LiveQueue }): JSX.Element {
  const { storeStatuses, kinds, delayed } = queue;
  return (
    <section class="card">
      <h2>Queue</h2>
      <p class="hint">
        {'In the store: '}
        {Object.entries(storeStatuses)
          .filter(([, count]) => count > 0)
          .map(([status, count]) => `${formatCount(count)} ${status}`)
          .join(' · ') || 'no rollout'}
      </p>
      {delayed === 0 ? undefined : (
        <p class="hint">{formatCount(delayed)} wait for the moment at which they are tried again.</p>
      )}
      {kinds.length === 0 ? undefined : (
        <ul>
          {kinds.map(({ name, count }) => (
            <li key={name}>
              {name}: {formatCount(count)} of those that are next
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

function Gateway({ gateway }: { readonly gateway: LiveGateway }): JSX.Element {
  if (!gateway.isReached)
    return (
      <section class="card">
        <h2>Gateway</h2>
        <p class="hint">{gateway.reason}</p>
      </section>
    );
  const list = (counts: Readonly<Record<string, number>>): string =>
    Object.entries(counts)
      .filter(([, count]) => count > 0)
      .map(([name, count]) => `${formatCount(count)} ${name}`)
      .join(' · ') || 'none';
  const rows: readonly (readonly [name: string, value: string])[] = [
    ['address', gateway.url],
    ['calls in flight', formatCount(gateway.inFlight)],
    ['calls by their end', list(gateway.calls)],
    ['not to be trained on', list(gateway.untrainable)],
    ['errors', list(gateway.errors)],
    ['refused requests', list(gateway.rejected)],
    ['captured tokens', list(gateway.tokens)],
    ['attempts with a key', formatCount(gateway.openAttempts)],
    ['requests that wait for memory', formatCount(gateway.waitingRequests)],
    ['memory of bodies in flight', `${formatCount(Math.round(gateway.heldBytes / 1_024))} KiB`],
    ['upstreams asked again', `${formatCount(gateway.retries)} times`],
    ['upstreams that fail now', gateway.absentServers === 0 ? '✓ none' : `✕ ${formatCount(gateway.absentServers)}`],
  ];
  return (
    <section class="card">
      <div class="head">
        <h2>Gateway</h2>
        {gateway.isPaused ? <span class="badge warn">■ paused: calls wait</span> : undefined}
      </div>
      <dl class="options">
        {rows.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}
