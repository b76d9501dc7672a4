import { isId } from '@agent-lightning/store';
import { RequestError } from '../http/request-error.ts';
import { FieldReader } from '../agl03/read-fields.ts';
import { states, type JsonObject, type RolloutCreate, type StatusPatch } from './agl10-shapes.ts';

/** Returns the error of one field, as FastAPI words it. */
export function fieldError(type: string, loc: readonly (string | number)[], msg: string, input: unknown): RequestError {
  return new RequestError(`${loc.join('.')}: ${msg}`, {
    code: 'request-invalid',
    status: 422,
    detail: [{ type, loc, msg, input }],
  });
}

/** Reads a body that is a list. @throws {RequestError} 422 */
export function readList(body: unknown): readonly unknown[] {
  if (Array.isArray(body)) return body as readonly unknown[];
  throw fieldError('list_type', ['body'], 'Input should be a valid list', body);
}

/** Reads rollouts to enqueue; members that nobody knows are left out. @throws {RequestError} 422 naming the fields */
export function readRollouts(body: unknown): readonly RolloutCreate[] {
  return readList(body).map((item, index) => {
    const reader = new FieldReader(item, ['body', index]).require('input');
    const isTrain = reader.any('is_train');
    if (isTrain !== null && typeof isTrain !== 'boolean')
      reader.complain('bool_type', 'Input should be a valid boolean', isTrain, 'is_train');
    const rolloutId = reader.text('rollout_id');
    if (rolloutId !== null && (rolloutId.length > 150 || !isId(rolloutId)))
      reader.complain(
        'string_pattern_mismatch',
        'Input should be 1 to 150 of A-Z a-z 0-9 . _ : - without ..',
        rolloutId,
        'rollout_id',
      );
    const metadata = reader.object('metadata') ?? {};
    const create: RolloutCreate = {
      rolloutId,
      input: reader.any('input'),
      isTrain: isTrain !== false,
      config: readConfig(reader.inner('config')),
      metadata: { batch_idx: null, sample_idx_in_batch: null, ...metadata },
    };
    reader.finish();
    return create;
  });
}

function readConfig(reader: FieldReader | undefined): JsonObject {
  if (reader === undefined) return { timeout_seconds: 3_600, local: null, k8s: null };
  const [local, k8s] = [reader.inner('local'), reader.inner('k8s')];
  return {
    timeout_seconds: reader.integer('timeout_seconds') ?? 3_600,
    local:
      local === undefined ? null : { agent_class: local.text('agent_class'), env_map: local.object('env_map') ?? {} },
    k8s: k8s === undefined ? null : { job_template: k8s.text('job_template') },
  };
}

const statusNames: ReadonlySet<string> = new Set(['state', 'k8s_job_name', 'last_attempt_id', 'error_message']);

/** Reads the change of a rollout; an unknown member of its status is an error. @throws {RequestError} 422 */
export function readPatch(body: unknown): StatusPatch {
  const reader = new FieldReader(body);
  const status = reader.object('status') ?? {};
  const inner = reader.inner('status');
  for (const [name, value] of Object.entries(status))
    if (!statusNames.has(name)) inner?.complain('extra_forbidden', 'Extra inputs are not permitted', value, name);
  const state = inner?.oneOf('state', states) ?? undefined;
  const texts = ['k8s_job_name', 'last_attempt_id', 'error_message']
    .filter((name) => inner?.has(name))
    .map((name) => [name, inner?.text(name) ?? null]);
  reader.finish();
  return { ...(state === undefined ? {} : { state }), ...(Object.fromEntries(texts) as Omit<StatusPatch, 'state'>) };
}
