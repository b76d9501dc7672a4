import { afterEach, describe, expect, it, vi } from 'vitest';
import { Interrupt, type InterruptOptions } from './interrupt.ts';

const open: Interrupt[] = [];

afterEach(() => {
  for (const interrupt of open.splice(0)) interrupt.dispose();
  vi.restoreAllMocks();
});

function createInterrupt(options: Partial<InterruptOptions> = {}): {
  readonly interrupt: Interrupt;
  readonly reasons: string[];
} {
  const reasons: string[] = [];
  const interrupt = new Interrupt({
    signal: undefined,
    handleSignals: true,
    onInterrupt: (reason) => reasons.push(reason),
    ...options,
  });
  open.push(interrupt);
  return { interrupt, reasons };
}

describe('Interrupt', () => {
  it('aborts on the first signal, and ends the process on the second', () => {
    const kill = vi.spyOn(process, 'kill').mockReturnValue(true);
    let now = 0;
    const { interrupt, reasons } = createInterrupt({ now: () => now });
    process.emit('SIGINT', 'SIGINT');
    expect(interrupt.signal.aborted).toBe(true);
    expect(reasons).toEqual(['SIGINT']);
    now = 100; // npm passes the same Ctrl+C on
    process.emit('SIGINT', 'SIGINT');
    expect(kill).not.toHaveBeenCalled();
    now = 2_000;
    process.emit('SIGINT', 'SIGINT');
    expect(kill).toHaveBeenCalledWith(process.pid, 'SIGINT');
    expect(process.listenerCount('SIGINT')).toBe(0);
  });

  it('aborts with the signal of the user, at once when that is aborted already', () => {
    const abort = new AbortController();
    const { interrupt, reasons } = createInterrupt({ signal: abort.signal, handleSignals: false });
    expect(process.listenerCount('SIGTERM')).toBe(0);
    abort.abort();
    expect(interrupt.signal.aborted).toBe(true);
    expect(reasons).toEqual(['the signal was aborted']);
    expect(createInterrupt({ signal: abort.signal }).interrupt.signal.aborted).toBe(true);
    expect(createInterrupt({ signal: AbortSignal.abort('SIGTERM') }).reasons).toEqual(['SIGTERM']);
  });

  it('leaves no listener behind', () => {
    const { interrupt } = createInterrupt();
    expect(process.listenerCount('SIGTERM')).toBe(1);
    interrupt.dispose();
    expect(process.listenerCount('SIGTERM')).toBe(0);
  });
});
