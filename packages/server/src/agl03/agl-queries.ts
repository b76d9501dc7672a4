import type { LightningStore } from '@agent-lightning/core';
import { isId } from '@agent-lightning/store';
import { meets, readListOptions, toPage, type Condition } from './pages.ts';
import type { FieldReader } from './read-fields.ts';
import type { AglResourcesView } from './agl-resources.ts';
import type { KnownWorkers } from './known-workers.ts';
import type { RolloutLine } from './rollout-lines.ts';
import type { RolloutView } from './rollout-view.ts';
import {
  rolloutStatuses,
  workerStatuses,
  type AglAttempt,
  type AglPage,
  type AglResources,
  type AglRollout,
  type AglSpan,
  type AglWorker,
} from './shapes.ts';
import { spanFields, toAglSpan } from './span-view.ts';

const rolloutFields = [
  'rollout_id',
  'input',
  'start_time',
  'end_time',
  'mode',
  'resources_id',
  'status',
  'config',
  'metadata',
];
const attemptFields = [
  'rollout_id',
  'attempt_id',
  'sequence_id',
  'start_time',
  'end_time',
  'status',
  'worker_id',
  'last_heartbeat_time',
  'metadata',
];
const workerFields = [
  'worker_id',
  'status',
  'heartbeat_stats',
  'last_heartbeat_time',
  'last_dequeue_time',
  'last_busy_time',
  'last_idle_time',
  'current_rollout_id',
  'current_attempt_id',
];
const resourcesFields = ['resources_id', 'create_time', 'update_time', 'version', 'resources'];

export interface AglQueriesOptions {
  readonly store: LightningStore;
  readonly view: RolloutView;
  readonly workers: KnownWorkers;
  readonly resources: AglResourcesView;
}

/** Answers the lists of Agent Lightning 0.3. Their filters, orders and totals are made here: our store pages by cursor. */
export class AglQueries {
  readonly #options: AglQueriesOptions;

  constructor(options: AglQueriesOptions) {
    this.#options = options;
  }

  async rollouts(reader: FieldReader): Promise<AglPage<AglRollout & { readonly attempt?: AglAttempt }>> {
    const { view } = this.#options;
    const statuses = reader.textsOf('status_in', rolloutStatuses);
    const ids = reader.texts('rollout_id_in');
    const part = reader.text('rollout_id_contains');
    const logic = readLogic(reader);
    const options = readListOptions(reader);
    const lines = logic === 'and' && ids !== null ? await this.#linesOf(ids) : await view.lines.readAll();
    const shown = lines.map((line) => ({ line, rollout: view.toRollout(line) }));
    const conditions: Condition<(typeof shown)[number]>[] = [
      ...(statuses === null
        ? []
        : [{ isMet: ({ rollout }: (typeof shown)[number]) => statuses.includes(rollout.status) }]),
      ...(ids === null ? [] : [{ isMet: ({ rollout }: (typeof shown)[number]) => ids.includes(rollout.rollout_id) }]),
      ...(part === null ? [] : [{ isMet: ({ rollout }: (typeof shown)[number]) => rollout.rollout_id.includes(part) }]),
    ];
    const found = shown.filter((each) => meets(each, conditions, logic));
    const lineOf = new Map(found.map(({ line, rollout }) => [rollout, line]));
    const page = toPage(
      found.map(({ rollout }) => rollout),
      options,
      rolloutFields,
    );
    const items: (AglRollout & { readonly attempt?: AglAttempt })[] = [];
    for (const rollout of page.items) items.push(await view.withAttempt(lineOf.get(rollout) as RolloutLine));
    return { ...page, items };
  }

  async attempts(rolloutId: string, reader: FieldReader): Promise<AglPage<AglAttempt>> {
    const { view } = this.#options;
    const options = readListOptions(reader, 'sequence_id');
    const line = isId(rolloutId) ? await view.lines.read(rolloutId) : undefined;
    const attempts = line === undefined ? [] : await view.lines.readAttempts(line);
    return toPage(
      attempts.map((each) => view.toAttempt(each)),
      options,
      attemptFields,
    );
  }

  workers(reader: FieldReader): AglPage<AglWorker> {
    const statuses = reader.textsOf('status_in', workerStatuses);
    const part = reader.text('worker_id_contains');
    const logic = readLogic(reader);
    const options = readListOptions(reader);
    const conditions: Condition<AglWorker>[] = [
      ...(statuses === null ? [] : [{ isMet: ({ status }: AglWorker) => statuses.includes(status) }]),
      ...(part === null ? [] : [{ isMet: ({ worker_id: id }: AglWorker) => id.includes(part) }]),
    ];
    return toPage(
      this.#options.workers.list().filter((worker) => meets(worker, conditions, logic)),
      options,
      workerFields,
    );
  }

  async resources(reader: FieldReader): Promise<AglPage<AglResources>> {
    const id = reader.text('resources_id');
    const part = reader.text('resources_id_contains');
    const options = readListOptions(reader);
    const all = await this.#options.resources.list();
    const found = all.filter(
      ({ resources_id: each }) => (id === null || each === id) && (part === null || each.includes(part)),
    );
    return toPage(found, options, resourcesFields);
  }

  async spans(reader: FieldReader): Promise<AglPage<AglSpan>> {
    const rolloutId = reader.require('rollout_id').text('rollout_id') ?? '';
    const attemptId = reader.text('attempt_id');
    const conditions = ['trace_id', 'span_id', 'parent_id', 'name'].flatMap((field) =>
      readTextConditions(reader, field),
    );
    const logic = readLogic(reader);
    const options = readListOptions(reader, 'sequence_id');
    const spans = await this.#spansOf(rolloutId, attemptId);
    return toPage(
      spans.filter((span) => meets(span, conditions, logic)),
      options,
      spanFields,
    );
  }

  async #spansOf(rolloutId: string, attemptId: string | null): Promise<readonly AglSpan[]> {
    const { store, view } = this.#options;
    const line = isId(rolloutId) ? await view.lines.read(rolloutId) : undefined;
    if (line === undefined) return [];
    const attempts = await view.lines.readAttempts(line);
    const wanted = attemptId === 'latest' ? attempts.at(-1)?.attempt.attemptId : attemptId;
    if (wanted === undefined) return [];
    const owner = attempts.find(({ attempt }) => attempt.attemptId === wanted)?.rollout;
    if (wanted !== null && owner === undefined) return [];
    const spans = await store.querySpans({
      rolloutIds: (owner === undefined ? line.rollouts : [owner]).map((rollout) => rollout.rolloutId),
      ...(wanted === null ? {} : { attemptId: wanted }),
      includeTokens: true,
    });
    return spans.map(toAglSpan);
  }

  async #linesOf(ids: readonly string[]): Promise<readonly RolloutLine[]> {
    const lines: RolloutLine[] = [];
    for (const id of new Set(ids)) {
      const line = isId(id) ? await this.#options.view.lines.read(id) : undefined;
      if (line !== undefined) lines.push(line);
    }
    return lines;
  }
}

function readLogic(reader: FieldReader): 'and' | 'or' {
  return reader.oneOf('filter_logic', ['and', 'or'] as const) ?? 'and';
}

function readTextConditions(reader: FieldReader, field: string): readonly Condition<AglSpan>[] {
  const whole = reader.text(field);
  const part = reader.text(`${field}_contains`);
  const valueOf = (span: AglSpan): unknown => span[field as keyof AglSpan];
  return [
    ...(whole === null ? [] : [{ isMet: (span: AglSpan) => valueOf(span) === whole }]),
    ...(part === null ? [] : [{ isMet: (span: AglSpan) => String(valueOf(span) ?? '').includes(part) }]),
  ];
}
