import type { SqlRow } from '@agent-lightning/store';
import type { ClientBase } from 'pg';

/** Names for prepared statements: the same text has the same name on every connection of one database. */
export class StatementNames {
  readonly #names: Map<string, string> = new Map();

  of(sql: string): string {
    let name = this.#names.get(sql);
    if (name === undefined) this.#names.set(sql, (name = `agent_lightning_${this.#names.size}`));
    return name;
  }
}

/** One transaction on one connection. Statements that are sent without waiting for each other share one round trip. */
export class Transaction {
  readonly #client: ClientBase;
  readonly #names: StatementNames;
  readonly #canPipeline: boolean;
  #sent: Promise<unknown>[] = [];

  constructor(client: ClientBase, names: StatementNames) {
    this.#client = client;
    this.#names = names;
    this.#canPipeline = (client as { pipeline?: boolean }).pipeline === true;
  }

  /**
   * Runs a statement after those sent before it. Rejects when the transaction failed before; `settle` tells with what.
   * @param planning `prepared`: with one plan for all times; `anew`: for a text that is not sent again, such as one that holds a value
   */
  async query(
    sql: string,
    values: readonly unknown[] = [],
    planning: 'prepared' | 'anew' = 'prepared',
  ): Promise<readonly SqlRow[]> {
    return (await this.#submit(sql, values, planning === 'prepared' ? this.#names.of(sql) : undefined)).rows;
  }

  /** Sends a statement whose answer nobody needs; what goes wrong comes out at `settle`. */
  send(sql: string, values: readonly unknown[] = []): void {
    void this.#submit(sql, values, this.#names.of(sql));
  }

  /** Waits for all that was sent. @throws what the first statement that failed threw */
  async settle(): Promise<void> {
    const sent = this.#sent;
    this.#sent = [];
    for (const answer of sent) await answer;
  }

  #submit(
    sql: string,
    values: readonly unknown[],
    name: string | undefined,
  ): Promise<{ readonly rows: readonly SqlRow[] }> {
    const run = (): Promise<{ readonly rows: readonly SqlRow[] }> =>
      this.#client.query<SqlRow>({ ...(name !== undefined && { name }), text: sql, values: [...values] });
    // Without pipelining, pg wants one statement at a time.
    const answer =
      this.#canPipeline || this.#sent.length === 0 ? run() : (this.#sent.at(-1) as Promise<unknown>).then(run);
    answer.catch(() => undefined);
    this.#sent.push(answer);
    return answer;
  }
}
