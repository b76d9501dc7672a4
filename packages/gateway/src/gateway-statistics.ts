import type { CallOutcome } from './calls/answer-call.ts';
import type { Untrainable } from './capture/check-reply.ts';
import type { ReplyError } from './http/reply-error.ts';
import type { FastPathCounts } from './reply-reader/reply-reader.ts';

/** The counts of what a gateway did since it started. */
export interface GatewayStatistics {
  /** Calls by how they ended. */
  readonly calls: Readonly<Record<CallOutcome['status'], number>>;
  /** Calls that must not be trained on, by kind of reason. */
  readonly untrainable: Readonly<Partial<Record<Untrainable['kind'], number>>>;
  /** Failed and incomplete calls, by the code that the caller was told. */
  readonly errors: Readonly<Record<string, number>>;
  /** Requests that were refused before they became calls, by the code that the caller was told. */
  readonly rejected: Readonly<Record<string, number>>;
  readonly retries: number;
  readonly promptIds: number;
  readonly responseIds: number;
  /** Captured replies and chunks of streams from servers, by whether the fast path read them or the JSON parser did. */
  readonly fastPath: Readonly<FastPathCounts>;
  /** Servers that fail and are out of the pool now. */
  readonly absentServers: number;
}

/** Counts what happens to calls. */
export class StatisticsCounter {
  readonly #calls = { ok: 0, incomplete: 0, failed: 0 };
  readonly #untrainable = new Map<Untrainable['kind'], number>();
  readonly #errors = new Map<string, number>();
  readonly #rejected = new Map<string, number>();
  #retries = 0;
  #promptIds = 0;
  #responseIds = 0;

  count(outcome: CallOutcome, untrainable: Untrainable | undefined): void {
    this.#calls[outcome.status] += 1;
    this.#retries += outcome.retries;
    this.#promptIds += outcome.reply.promptIds?.length ?? 0;
    for (const choice of outcome.reply.choices) this.#responseIds += choice.tokens?.length ?? 0;
    if (untrainable !== undefined) increment(this.#untrainable, untrainable.kind);
    if (outcome.error !== undefined) increment(this.#errors, outcome.error.replyCode);
  }

  countRejected(error: ReplyError): void {
    increment(this.#rejected, error.replyCode);
  }

  toStatistics(absentServers: number, fastPath: FastPathCounts): GatewayStatistics {
    return {
      calls: { ...this.#calls },
      untrainable: Object.fromEntries(this.#untrainable),
      errors: Object.fromEntries(this.#errors),
      rejected: Object.fromEntries(this.#rejected),
      retries: this.#retries,
      promptIds: this.#promptIds,
      responseIds: this.#responseIds,
      fastPath: { ...fastPath },
      absentServers,
    };
  }
}

/** The most error names that are counted: upstreams choose them freely, so their number and length are bounded. */
const mostNames = 100;

function increment(counts: Map<string, number>, name: string): void {
  const counted = counts.has(name) || counts.size < mostNames ? name : 'other';
  counts.set(counted, (counts.get(counted) ?? 0) + 1);
}

function family(
  name: string,
  help: string,
  samples: readonly (readonly [labels: string, value: number])[],
  type: 'counter' | 'gauge' = 'counter',
): string {
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${samples.map(([labels, value]) => `${name}${labels} ${value}\n`).join('')}`;
}

function labelled(label: string, counts: Readonly<Record<string, number>>): (readonly [string, number])[] {
  return Object.entries(counts).map(
    ([value, count]) => [`{${label}="${value.replace(/[\\"\n]/gu, '_')}"}`, count] as const,
  );
}

/** The work that the gateway holds at this moment. */
export interface GatewayLoad {
  readonly callsInFlight: number;
  readonly openAttempts: number;
  /** The memory that the bodies of requests in flight hold. */
  readonly heldBytes: number;
  /** Requests that are not read yet, because others hold too much. */
  readonly waitingRequests: number;
}

/** Returns the statistics and the load as Prometheus text. */
export function formatMetrics(statistics: GatewayStatistics, load: GatewayLoad): string {
  return [
    family(
      'agentlightning_gateway_calls_total',
      'Model calls by how they ended.',
      labelled('status', statistics.calls),
    ),
    family(
      'agentlightning_gateway_untrainable_total',
      'Captured calls that must not be trained on.',
      labelled('reason', statistics.untrainable),
    ),
    family(
      'agentlightning_gateway_errors_total',
      'Failed and incomplete calls by error code.',
      labelled('code', statistics.errors),
    ),
    family(
      'agentlightning_gateway_rejected_total',
      'Requests that were refused before they became calls.',
      labelled('code', statistics.rejected),
    ),
    family('agentlightning_gateway_retries_total', 'Times that an upstream was asked again.', [
      ['', statistics.retries],
    ]),
    family('agentlightning_gateway_tokens_total', 'Captured tokens.', [
      ['{kind="prompt"}', statistics.promptIds],
      ['{kind="response"}', statistics.responseIds],
    ]),
    family(
      'agentlightning_gateway_fast_path_total',
      'Captured replies and chunks of streams by whether the fast path read them.',
      [
        ['{result="hit"}', statistics.fastPath.hits],
        ['{result="miss"}', statistics.fastPath.misses],
      ],
    ),
    family(
      'agentlightning_gateway_calls_in_flight',
      'Model calls that are being answered.',
      [['', load.callsInFlight]],
      'gauge',
    ),
    family(
      'agentlightning_gateway_absent_servers',
      'Servers that fail and are out of the pool.',
      [['', statistics.absentServers]],
      'gauge',
    ),
    family('agentlightning_gateway_open_attempts', 'Attempts whose key is valid.', [['', load.openAttempts]], 'gauge'),
    family(
      'agentlightning_gateway_held_bytes',
      'Memory that the bodies of requests in flight are taken to hold.',
      [['', load.heldBytes]],
      'gauge',
    ),
    family(
      'agentlightning_gateway_waiting_requests',
      'Requests that are not read yet, because others hold too much.',
      [['', load.waitingRequests]],
      'gauge',
    ),
  ].join('');
}
