import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { PrintedLines } from './printed-lines.ts';

const recorded = (name: string): string =>
  readFileSync(new URL(`../../test/__fixtures__/vllm-0.32.0/${name}`, import.meta.url), 'utf8');

function print(text: string): PrintedLines {
  const lines = new PrintedLines();
  lines.add('stdout', text);
  return lines;
}

describe('what a vLLM printed', () => {
  it('keeps the error and its traceback apart from what comes after', () => {
    const said = print(recorded('engine-killed.log')).describe();
    const [errors, last] = said.split('It printed last:\n');
    expect(errors).toMatch(/^Its last errors:\n.*AsyncLLM output_handler failed\.\n/);
    expect(errors).toMatch(/EngineDeadError: EngineCore encountered an issue\..*\n$/);
    expect(errors!.split('\n')).toHaveLength(10);
    expect(last).toMatch(/Finished server process \[\d+\]$/);
    expect(said).not.toMatch(/resource_tracker|Route: /);
  });

  it('keeps the error of each process, the first to fail first, though they print into each other', () => {
    const said = print(
      [
        '(EngineCore pid=2) ERROR 11-29 05:29:01 [core.py:12] EngineCore failed to start.',
        '(APIServer pid=1) Traceback (most recent call last):',
        '(EngineCore pid=2) ERROR 11-29 05:29:01 [core.py:12] Traceback (most recent call last):',
        '(APIServer pid=1)   File "api.py", line 3, in main',
        '(EngineCore pid=2) ERROR 11-29 05:29:01 [core.py:12] ValueError: no room for the cache',
        '(APIServer pid=1) RuntimeError: Engine core initialization failed. See root cause above.',
        ...Array.from({ length: 30 }, (_, line) => `(APIServer pid=1) INFO 11-29 05:29:02 [x.py:1] line ${line}`),
        '',
      ].join('\n'),
    ).describe();
    const [errors, last] = said.split('It printed last:\n');
    expect(errors).toBe(
      `Its last errors:
(EngineCore pid=2) ERROR 11-29 05:29:01 [core.py:12] EngineCore failed to start.
(EngineCore pid=2) ERROR 11-29 05:29:01 [core.py:12] Traceback (most recent call last):
(EngineCore pid=2) ERROR 11-29 05:29:01 [core.py:12] ValueError: no room for the cache
(APIServer pid=1) Traceback (most recent call last):
(APIServer pid=1)   File "api.py", line 3, in main
(APIServer pid=1) RuntimeError: Engine core initialization failed. See root cause above.
`,
    );
    expect(last?.split('\n')).toHaveLength(20);
  });

  it('keeps the beginning and the end of a long traceback', () => {
    const frames = Array.from({ length: 50 }, (_, line) => `  File "a.py", line ${line}, in f`);
    const lines = print(
      ['Traceback (most recent call last):', ...frames, 'torch.OutOfMemoryError: 5 GB', ''].join('\n'),
    );
    const [errors] = lines.describe().split('It printed last:\n');
    expect(errors!.split('\n').slice(1, 4)).toEqual(['Traceback (most recent call last):', ...frames.slice(32, 34)]);
    expect(errors).toMatch(/torch\.OutOfMemoryError: 5 GB\n$/);
  });

  it('forgets an earlier error of a process for a later one, and all of them at a new start', () => {
    const lines = print('ValueError: first\nINFO all is well\nOSError: second\n');
    expect(lines.describe()).toMatch(/^Its last errors:\nOSError: second\nIt/);
    lines.clear();
    expect(lines.describe()).toBe('It printed nothing.');
  });

  it('leaves out the access log and what libraries complain about', () => {
    const lines = print(
      'INFO loading\nINFO:     127.0.0.1:4 - "GET /health HTTP/1.1" 200 OK\nnanobind: leaked 2 instances!\n - leaked instance 0x1 of type "x"\n',
    );
    expect(lines.lastLine).toBe('INFO loading');
  });

  it('puts lines together that come in pieces, by stream', () => {
    const lines = print('INFO loa');
    lines.add('stderr', 'an error\n');
    lines.add('stdout', 'ding\n');
    expect(lines.describe()).toBe('It printed last:\nan error\nINFO loading');
  });
});
