/** The things that the doctor looks at. */
export type CheckName =
  | 'node'
  | 'framework'
  | 'core'
  | 'python'
  | 'gpu'
  | 'vllm'
  | 'port'
  | 'disk'
  | 'folder'
  | 'model'
  | 'key';

/** The result of one check. */
export interface Finding {
  readonly check: CheckName;
  /** `fault`: something that is needed does not work; `note`: worth knowing, or could not be checked. */
  readonly status: 'ok' | 'note' | 'fault';
  /** What was found, with the value. */
  readonly found: string;
  /** What to do; undefined where there is nothing to do. */
  readonly advice?: string;
}

export function ok(check: CheckName, found: string): Finding {
  return { check, status: 'ok', found };
}

export function note(check: CheckName, found: string, advice?: string): Finding {
  return { check, status: 'note', found, ...(advice !== undefined && { advice }) };
}

export function fault(check: CheckName, found: string, advice: string): Finding {
  return { check, status: 'fault', found, advice };
}
