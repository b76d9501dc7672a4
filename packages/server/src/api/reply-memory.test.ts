import { describe, expect, it } from 'vitest';
import { ReplyMemory } from './reply-memory.ts';

describe('the memory of answers', () => {
  it('does a call once, and again when it failed', async () => {
    const memory = new ReplyMemory<string>();
    let calls = 0;
    const work = async (): Promise<string> => `call ${++calls}`;
    expect(await Promise.all([memory.once('a', work), memory.once('a', work)])).toEqual(['call 1', 'call 1']);
    const fails = (): Promise<string> => Promise.reject(new Error('failed'));
    await expect(memory.once('b', fails)).rejects.toThrow('failed');
    expect(await memory.once('b', work)).toBe('call 2');
  });

  it('forgets the oldest answers when they are too much, or too old', async () => {
    let nowMs = 0;
    const memory = new ReplyMemory<string>({ now: () => nowMs, mostCharacters: 100 });
    let calls = 0;
    const large = async (): Promise<string> => `${++calls}`.padEnd(60, '.');
    const ask = async (id: string): Promise<number> => Number.parseInt(await memory.once(id, large), 10);
    expect([await ask('a'), await ask('a'), await ask('b'), await ask('b')]).toEqual([1, 1, 2, 2]);
    expect(await ask('a')).toBe(3);
    nowMs = 600_000;
    expect(await ask('c')).toBe(4);
    expect(await ask('a')).toBe(5);
  });
});
