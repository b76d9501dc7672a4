import { LightningError } from '@agent-lightning/core';
import type { OperationName } from '@agent-lightning/store';

interface Counts {
  calls: number;
  seconds: number;
  readonly failures: Map<string, number>;
}

/** Counts the operations that clients ask for. */
export class ApiMetrics {
  readonly #counts: Map<OperationName, Counts> = new Map();
  #underWay: number = 0;

  /** Does the work and counts it, its time and its failure. */
  async count<Reply>(name: OperationName, work: () => Promise<Reply>): Promise<Reply> {
    const counts = this.#countsOf(name);
    const startedMs = performance.now();
    counts.calls++;
    this.#underWay++;
    try {
      return await work();
    } catch (error) {
      const code = LightningError.isInstance(error) ? error.code : 'unexpected';
      counts.failures.set(code, (counts.failures.get(code) ?? 0) + 1);
      throw error;
    } finally {
      this.#underWay--;
      counts.seconds += (performance.now() - startedMs) / 1_000;
    }
  }

  /** Returns the counts in the text format of Prometheus. */
  format(): string {
    const rows = [...this.#counts].map(([name, counts]) => ({ label: `operation="${name}"`, ...counts }));
    return [
      family('store_calls_total', 'counter', 'Operations that clients asked for.'),
      ...rows.map(({ label, calls }) => `agentlightning_server_store_calls_total{${label}} ${calls}`),
      family('store_call_failures_total', 'counter', 'Operations that failed, by the code of the error.'),
      ...rows.flatMap(({ label, failures }) =>
        [...failures].map(
          ([code, count]) => `agentlightning_server_store_call_failures_total{${label},code="${code}"} ${count}`,
        ),
      ),
      family('store_call_seconds_total', 'counter', 'Time that operations took, waits included.'),
      ...rows.map(
        ({ label, seconds }) => `agentlightning_server_store_call_seconds_total{${label}} ${seconds.toFixed(6)}`,
      ),
      family('store_calls_under_way', 'gauge', 'Operations under way, waits included.'),
      `agentlightning_server_store_calls_under_way ${this.#underWay}`,
    ].join('\n');
  }

  #countsOf(name: OperationName): Counts {
    const known = this.#counts.get(name);
    if (known !== undefined) return known;
    const counts: Counts = { calls: 0, seconds: 0, failures: new Map() };
    this.#counts.set(name, counts);
    return counts;
  }
}

/** Returns the two lines that begin a family of metrics. */
export function family(name: string, type: 'counter' | 'gauge', help: string): string {
  return `# HELP agentlightning_server_${name} ${help}\n# TYPE agentlightning_server_${name} ${type}`;
}
