import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openWritingConnection } from './sqlite-database.ts';
import { Statements } from './statements.ts';
import { StoreClock } from './store-clock.ts';

let folder: string;
let database: DatabaseSync;
let statements: Statements;
let wallMs: number;
let monotonicMs: number;
let bootId: string | undefined;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'store-clock-'));
  database = openWritingConnection(
    { path: join(folder, 'store.db'), durability: 'normal', busyTimeoutMs: 0, maxSizeBytes: 0 },
    [],
  );
  statements = new Statements(database);
  [wallMs, monotonicMs, bootId] = [1_000_000, 500, 'boot-1'];
});
afterEach(() => {
  database.close();
  rmSync(folder, { recursive: true });
});

function openClock(): StoreClock {
  const clock = new StoreClock({ wallMs: () => wallMs, monotonicMs: () => monotonicMs, bootId: () => bootId });
  clock.anchor(statements);
  return clock;
}

function addLiveAttempt(): void {
  statements.run(`INSERT INTO attempts VALUES (1, 1, 'at', 'running', 'w', 1, 1, 1, 1, 1, NULL, NULL)`);
}

const hourMs = 3_600_000;

describe('StoreClock', () => {
  it('starts at the wall clock and does not follow it when it is set', () => {
    const clock = openClock();
    expect(clock.now()).toBe(1_000_000);
    wallMs += hourMs;
    monotonicMs += 10.7;
    expect(clock.now()).toBe(1_000_010);
  });

  it.each([hourMs, -hourMs])(
    'agrees with the processes that hold leases when the wall clock jumped by %d ms',
    (jump) => {
      const before = openClock();
      addLiveAttempt();
      wallMs += jump;
      monotonicMs += 7;
      expect(openClock().now()).toBe(before.now());
    },
  );

  it('takes the new wall clock when nothing is live, and the older process follows at its next write', () => {
    const before = openClock();
    wallMs += hourMs;
    const after = openClock();
    expect(after.now()).toBe(1_000_000 + hourMs);
    before.follow(statements);
    expect(before.now()).toBe(after.now());
  });

  it('starts afresh after a reboot, whatever was live', () => {
    openClock();
    addLiveAttempt();
    [wallMs, monotonicMs, bootId] = [9_000_000, 3, 'boot-2'];
    expect(openClock().now()).toBe(9_000_000);
  });

  it('keeps to its own start where the system does not name its boots', () => {
    bootId = undefined;
    openClock();
    addLiveAttempt();
    wallMs += 5;
    expect(openClock().now()).toBe(1_000_005);
    expect(statements.all('SELECT * FROM settings')).toEqual([]);
  });
});
