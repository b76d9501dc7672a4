import { Console } from 'node:console';
import { Writable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { ConsoleLog, keepConsole } from './console-log.ts';

/** Makes a console that prints nowhere. */
function silentConsole(): Console {
  return new Console(new Writable({ write: (_chunk, _encoding, done) => done() }));
}

describe('keepConsole', () => {
  it('keeps what work and everything that it awaits writes, and nothing else', async () => {
    const own = silentConsole();
    const [one, other] = [new ConsoleLog(), new ConsoleLog()];
    const work = async (name: string): Promise<void> => {
      own.log('%s begins', name);
      await new Promise((resolve) => setImmediate(resolve));
      own.warn('late', { name });
    };
    own.log('before');
    await Promise.all([keepConsole(one, () => work('one')), keepConsole(other, () => work('other'))]);
    own.log('after');
    expect(one.text()).toBe("one begins\nwarn: late { name: 'one' }");
    expect(other.text()).toBe("other begins\nwarn: late { name: 'other' }");
  });

  it('survives a value that throws when it is shown', () => {
    const log = new ConsoleLog();
    const hostile = {
      [Symbol.for('nodejs.util.inspect.custom')]: (): never => {
        throw new TypeError('not me');
      },
    };
    keepConsole(log, () => expect(() => silentConsole().error(hostile)).toThrow('not me'));
    expect(log.text()).toBe('error: [a value that cannot be shown]');
  });
});

describe('ConsoleLog', () => {
  it('is undefined before anything is written', () => {
    expect(new ConsoleLog().text()).toBeUndefined();
  });

  it('keeps the newest lines, and says how many are missing', () => {
    const log = new ConsoleLog();
    for (let index = 0; index < 1_000; index++) log.write('log', `line ${index}`);
    const lines = log.text()!.split('\n');
    expect(lines[0]).toBe('… [800 earlier lines]');
    expect(lines.at(-1)).toBe('line 999');
    log.write('log', 'x'.repeat(1_000_000));
    expect(log.text()!.length).toBeLessThan(17_000);
  });

  it('holds only what every store takes', () => {
    const log = new ConsoleLog();
    log.write('log', 'a\0b\uD800');
    expect(log.text()).toBe('a\uFFFDb\uFFFD');
  });
});
