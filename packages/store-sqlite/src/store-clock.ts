import { readFileSync } from 'node:fs';
import { hrtime } from 'node:process';
import type { Statements } from './statements.ts';

/** Names what the clock reads; injected by its test. */
export interface ClockSources {
  /** Returns milliseconds since the epoch, as the machine is set. */
  readonly wallMs: () => number;
  /** Returns milliseconds on a clock that all processes of this boot share and nobody can set. */
  readonly monotonicMs: () => number;
  /** Names this boot of the machine; undefined where the system does not tell. */
  readonly bootId: () => string | undefined;
}

const systemSources: ClockSources = {
  wallMs: () => Date.now(),
  monotonicMs: () => Number(hrtime.bigint()) / 1e6,
  bootId: readBootId,
};

/**
 * Keeps the store's clock: monotonic time plus an offset that the file holds for all its processes, so that a machine whose
 * clock is set does not expire leases, and processes from before and after agree. The offset is taken afresh from the
 * wall clock by a process that opens the file when no attempt is live, and after a reboot.
 */
export class StoreClock {
  readonly #sources: ClockSources;
  #offsetMs: number;

  constructor(sources: ClockSources = systemSources) {
    this.#sources = sources;
    this.#offsetMs = sources.wallMs() - sources.monotonicMs();
  }

  /** Returns whole milliseconds since the epoch. */
  now(): number {
    return Math.floor(this.#sources.monotonicMs() + this.#offsetMs);
  }

  /** Agrees on the offset with the file; call it once, inside a write. */
  anchor(statements: Statements): void {
    const bootId = this.#sources.bootId();
    if (bootId === undefined) return;
    const isLive = statements.get('SELECT 1 AS live FROM attempts WHERE ended_at_ms IS NULL LIMIT 1') !== undefined;
    if (isLive && readAnchor(statements)?.bootId === bootId) return this.follow(statements);
    const anchor: Anchor = { bootId, offsetMs: this.#offsetMs };
    statements.run(
      'INSERT INTO settings VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = ?2',
      'clock',
      JSON.stringify(anchor),
    );
  }

  /** Takes over an offset that another process wrote; call it at the start of each write. */
  follow(statements: Statements): void {
    const anchor = readAnchor(statements);
    if (anchor !== undefined && anchor.bootId === this.#sources.bootId()) this.#offsetMs = anchor.offsetMs;
  }
}

interface Anchor {
  readonly bootId: string;
  readonly offsetMs: number;
}

function readAnchor(statements: Statements): Anchor | undefined {
  const text = statements.get(`SELECT value FROM settings WHERE name = 'clock'`)?.['value'] as string | undefined;
  return text === undefined ? undefined : (JSON.parse(text) as Anchor);
}

let knownBootId: string | null | undefined;

/** Reads this boot's id. Linux tells it; elsewhere each process keeps the offset that it started with. */
function readBootId(): string | undefined {
  if (knownBootId === undefined) {
    try {
      knownBootId = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    } catch {
      knownBootId = null; // not Linux
    }
  }
  return knownBootId ?? undefined;
}
