import type { LiveGateway } from './shapes.ts';

/** The names of the figures of a gateway begin so. */
const prefix = 'agentlightning_gateway_';

/** The numbers of one figure by their label; without labels the name is empty. */
type Family = Readonly<Record<string, number>>;

/**
 * Asks a gateway on this machine for its figures; says why there are none. Others are not asked: nothing of a run leaves the machine.
 * @param signal ends the wait for all of its replies together
 */
export async function readGateway(given: unknown, signal: AbortSignal): Promise<LiveGateway> {
  if (typeof given !== 'string' || given === '')
    return { isReached: false, reason: 'The run has no gateway: no policy answers model calls.' };
  const url = URL.parse(given);
  if (url?.protocol !== 'http:' || !['127.0.0.1', 'localhost', '[::1]'].includes(url.hostname))
    return { isReached: false, reason: `The gateway of the run, ${given}, is on another machine, and is not asked.` };
  const base = given.replace(/\/+$/, '');
  try {
    const get = async (path: string): Promise<Response> => await fetch(base + path, { signal, redirect: 'error' });
    const metrics = await get('/metrics');
    if (metrics.status === 401 || metrics.status === 403)
      return {
        isReached: false,
        reason: `The gateway at ${base} asks for its admin key, which the dashboard does not have.`,
      };
    if (!metrics.ok) return { isReached: false, reason: `The gateway at ${base} answered ${metrics.status}.` };
    const health = (await (await get('/health')).json()) as { readonly paused?: unknown };
    return toGateway(base, parseMetrics(await metrics.text()), health.paused === true);
  } catch (error) {
    const reason =
      error instanceof Error ? ((error.cause as Error | undefined)?.message ?? error.message) : String(error);
    return { isReached: false, reason: `The gateway at ${base} does not answer: ${reason}.` };
  }
}

function toGateway(url: string, families: ReadonlyMap<string, Family>, isPaused: boolean): LiveGateway {
  const family = (name: string): Family => families.get(prefix + name) ?? {};
  const gauge = (name: string): number => family(name)[''] ?? 0;
  return {
    isReached: true,
    url,
    isPaused,
    inFlight: gauge('calls_in_flight'),
    openAttempts: gauge('open_attempts'),
    waitingRequests: gauge('waiting_requests'),
    heldBytes: gauge('held_bytes'),
    absentServers: gauge('absent_servers'),
    retries: gauge('retries_total'),
    tokens: family('tokens_total'),
    calls: family('calls_total'),
    errors: family('errors_total'),
    rejected: family('rejected_total'),
    untrainable: family('untrainable_total'),
  };
}

/** Reads lines of Prometheus text that have at most one label. */
export function parseMetrics(text: string): ReadonlyMap<string, Family> {
  const families = new Map<string, Record<string, number>>();
  for (const line of text.split('\n')) {
    const [, name, label = '', value] = /^([a-z_]+)(?:\{[a-z_]+="([^"]*)"\})? (\S+)$/.exec(line) ?? [];
    if (name === undefined || !Number.isFinite(Number(value))) continue;
    const family = families.get(name) ?? {};
    family[label] = Number(value);
    families.set(name, family);
  }
  return families;
}
