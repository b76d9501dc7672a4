import { matchesAgent, type AgentMatch, type Episode } from '@agent-lightning/core';

/** Says what became of a model call that was made inside a rollout. */
export type CallFate = 'trained' | 'not trained' | 'thrown away' | 'went past' | 'not selected' | 'outside agents';

/** Counts the model calls that have everything but the rollout in common. */
export interface CallRow {
  readonly fate: CallFate;
  /** The most telling name of the agent; empty where no adapter follows the code. */
  readonly agent: string;
  /** The host that answered instead of the policy, where a request was seen. */
  readonly host?: string;
  /** The client by its own word, such as `OpenAI/JS`, where a request was seen. */
  readonly client?: string;
  readonly calls: number;
}

const fates: readonly CallFate[] = [
  'trained',
  'thrown away',
  'not trained',
  'went past',
  'not selected',
  'outside agents',
];

/** Counts every model call that was made inside rollouts: those that train, those that do not, and those that a policy never saw. */
export class CallTable {
  readonly #rows = new Map<string, CallRow>();

  /** Adds the calls of these rollouts. */
  add(episodes: readonly Episode[]): void {
    for (const { transitions, untrainable, discarded = [], otherCalls = [] } of episodes) {
      const left = new Set(untrainable.map(({ spanId }) => spanId));
      for (const { agentName } of transitions) this.#count({ fate: 'trained', agent: agentName });
      // Where they have an advantage of their own, they are not among the untrainable ones.
      for (const { agentName, spanId } of discarded)
        if (!left.has(spanId)) this.#count({ fate: 'thrown away', agent: agentName });
      for (const { agentName, outside, isDiscarded } of untrainable) {
        if (outside !== undefined) this.#count({ fate: 'went past', agent: agentName, ...outside });
        else this.#count({ fate: isDiscarded === true ? 'thrown away' : 'not trained', agent: agentName });
      }
      for (const { agentName, isWrapped, ...sent } of otherCalls)
        this.#count({ fate: isWrapped ? 'not selected' : 'outside agents', agent: agentName, ...sent });
    }
  }

  /** The rows, those that train first, and within a fate the most calls first. */
  get rows(): readonly CallRow[] {
    return [...this.#rows.values()].toSorted(
      (a, b) => fates.indexOf(a.fate) - fates.indexOf(b.fate) || b.calls - a.calls,
    );
  }

  /** Returns the agents whose calls should have gone to the policy and went elsewhere, but for those that may. */
  findStray(allowed: AgentMatch | undefined): readonly string[] {
    const past = this.rows.filter(({ fate }) => fate === 'went past').map(({ agent }) => agent);
    return [...new Set(past)].filter((agent) => allowed === undefined || !matchesAgent([agent], allowed));
  }

  /** Returns the table as text, a line for each row under a heading; empty where there was no call. */
  describe(): string {
    const { rows } = this;
    if (rows.length === 0) return '';
    const cells = [['model calls', 'agent', 'calls', 'answered by'], ...rows.map(toCells)];
    const widths = cells[0]!.map((_, column) => Math.max(...cells.map((line) => line[column]!.length)));
    const pad = (text: string, column: number): string =>
      column === 2 ? text.padStart(widths[column]!) : text.padEnd(widths[column]!);
    return cells.map((line) => line.map(pad).join('  ').trimEnd()).join('\n');
  }

  #count(row: Omit<CallRow, 'calls'>): void {
    const key = JSON.stringify([row.fate, row.agent, row.host, row.client]);
    this.#rows.set(key, { ...row, calls: (this.#rows.get(key)?.calls ?? 0) + 1 });
  }
}

function toCells({ fate, agent, host, client, calls }: CallRow): readonly string[] {
  const name = agent === '' ? (fate === 'outside agents' ? '-' : '(no name)') : agent;
  return [fate, name, String(calls), answeredBy(fate, host, client)];
}

function answeredBy(fate: CallFate, host: string | undefined, client: string | undefined): string {
  if (fate === 'trained' || fate === 'thrown away' || fate === 'not trained') return 'the policy';
  const by = client === undefined ? '' : `, asked by ${client}`;
  return host === undefined ? 'its own model, no request seen' : `${host}${by}`;
}
