import { hash } from 'node:crypto';

export interface EndpointPoolOptions {
  /** The time between checks whether an endpoint that left is back. */
  readonly healthIntervalMs: number;
  /** Resolves to whether a server answers at its base URL; never rejects. */
  readonly probe: (baseUrl: string, apiKey: string | undefined) => Promise<boolean>;
  readonly onChange?: (baseUrl: string, isIn: boolean) => void;
}

interface Endpoint {
  failures: number;
  /** The timer of the next check; set while the endpoint is out of the pool. */
  timer: NodeJS.Timeout | undefined;
}

/** The number of failures in a row after which an endpoint leaves the pool. */
const failuresToLeave = 3;

/** Chooses which of several equal servers a call goes to: a rollout stays on one, for its prefix cache, as long as that is healthy. */
export class EndpointPool {
  readonly #options: EndpointPoolOptions;
  readonly #endpoints = new Map<string, Endpoint>();

  constructor(options: EndpointPoolOptions) {
    this.#options = options;
  }

  /**
   * Chooses a server by rendezvous hashing: when an endpoint leaves or joins, only its own rollouts move.
   * @param affinity the name of what stays on one server, such as a rollout's id
   * @param tried endpoints that failed this call already; asked again only when there is no other
   */
  choose(baseUrls: readonly string[], affinity: string, tried: ReadonlySet<string>): string {
    if (baseUrls.length === 1) return baseUrls[0] as string;
    const isOut = (url: string): boolean => this.#endpoints.get(url)?.timer !== undefined;
    const well = baseUrls.filter((url) => !isOut(url) && !tried.has(url));
    const untried = baseUrls.filter((url) => !tried.has(url));
    const candidates = well.length > 0 ? well : untried.length > 0 ? untried : baseUrls;
    const weights = candidates.map((url) => hash('sha256', `${affinity}\n${url}`, 'hex'));
    return candidates.reduce((best, url, index) =>
      (weights[index] as string) > (weights[candidates.indexOf(best)] as string) ? url : best,
    );
  }

  succeeded(baseUrl: string): void {
    const endpoint = this.#endpoints.get(baseUrl);
    if (endpoint !== undefined) this.#join(baseUrl, endpoint);
  }

  failed(baseUrl: string, apiKey: string | undefined): void {
    const endpoint = this.#endpoints.get(baseUrl) ?? { failures: 0, timer: undefined };
    this.#endpoints.set(baseUrl, endpoint);
    endpoint.failures += 1;
    if (endpoint.failures < failuresToLeave || endpoint.timer !== undefined) return;
    this.#wait(baseUrl, apiKey, endpoint);
    this.#options.onChange?.(baseUrl, false);
  }

  /** Returns the endpoints that are out of the pool. */
  get absent(): readonly string[] {
    return [...this.#endpoints].filter(([, { timer }]) => timer !== undefined).map(([url]) => url);
  }

  close(): void {
    for (const { timer } of this.#endpoints.values()) clearTimeout(timer);
    this.#endpoints.clear();
  }

  #wait(baseUrl: string, apiKey: string | undefined, endpoint: Endpoint): void {
    endpoint.timer = setTimeout(() => void this.#check(baseUrl, apiKey, endpoint), this.#options.healthIntervalMs);
    endpoint.timer.unref();
  }

  async #check(baseUrl: string, apiKey: string | undefined, endpoint: Endpoint): Promise<void> {
    const isWell = await this.#options.probe(baseUrl, apiKey);
    // Meanwhile a call may have found it well, or the pool may have closed.
    if (this.#endpoints.get(baseUrl) !== endpoint || endpoint.timer === undefined) return;
    if (isWell) this.#join(baseUrl, endpoint);
    else this.#wait(baseUrl, apiKey, endpoint);
  }

  #join(baseUrl: string, endpoint: Endpoint): void {
    const wasOut = endpoint.timer !== undefined;
    clearTimeout(endpoint.timer);
    this.#endpoints.delete(baseUrl);
    if (wasOut) this.#options.onChange?.(baseUrl, true);
  }
}
