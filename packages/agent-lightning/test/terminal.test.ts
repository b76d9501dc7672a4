import { afterEach, expect, it, vi } from 'vitest';
import { openTerminal } from '../src/cli/terminal.ts';

const names = ['SIGINT', 'SIGTERM'] as const;
const before = names.map((name) => process.listeners(name));

afterEach(() => {
  for (const [index, name] of names.entries())
    for (const listener of process.listeners(name)) if (!before[index]!.includes(listener)) process.off(name, listener);
  vi.restoreAllMocks();
});

it('takes one press of Ctrl+C once, although a launcher passes it on, and ends at the next', () => {
  let nowMs = 0;
  vi.spyOn(performance, 'now').mockImplementation(() => nowMs);
  const kill = vi.spyOn(process, 'kill').mockReturnValue(true);
  const exit = vi.spyOn(process, 'exit').mockImplementation((() => undefined) as never);
  const signal = openTerminal().interruption();
  process.emit('SIGINT', 'SIGINT');
  process.emit('SIGINT', 'SIGINT');
  expect([signal.reason, kill.mock.calls, exit.mock.calls]).toEqual(['SIGINT', [], []]);
  nowMs = 2_000;
  process.emit('SIGINT', 'SIGINT');
  expect(kill.mock.calls).toEqual([[process.pid, 'SIGINT']]);
});
