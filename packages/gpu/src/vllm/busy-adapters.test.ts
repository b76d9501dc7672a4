import { describe, expect, it } from 'vitest';
import { readBusyAdapters } from './busy-adapters.ts';

const running = (calls: number): string => `vllm:num_requests_running{engine="0",model_name="m"} ${calls}.0`;
const waiting = (calls: number): string => `vllm:num_requests_waiting{engine="0",model_name="m"} ${calls}.0`;
const info = (runs: string, waits: string, at: string, engine = ''): string =>
  `vllm:lora_requests_info{${engine}max_lora="2",running_lora_adapters="${runs}",waiting_lora_adapters="${waits}"} ${at}`;
const read = (...lines: readonly string[]): ReturnType<typeof readBusyAdapters> => readBusyAdapters(lines.join('\n'));

describe('readBusyAdapters', () => {
  it('reads the newest list, of what runs and what waits', () => {
    const lists = [info('old', '', '1.789e+09'), info('v1, v2', 'v3', '1.789828498802105e+09')];
    expect(read(running(2), waiting(1), ...lists)).toEqual(new Set(['v1', 'v2', 'v3']));
  });

  it('believes the counts of an idle server, whose last list stays', () => {
    expect(read(running(0), waiting(0), info('v1', '', '1.8e+09'))).toEqual(new Set());
  });

  it('reads the newest list of each engine', () => {
    const lists = [
      info('v1', '', '3.0', 'engine="0",'),
      info('v2', '', '1.0', 'engine="1",'),
      info('v3', '', '2.0', 'engine="1",'),
    ];
    expect(read(running(1), waiting(0), ...lists)).toEqual(new Set(['v1', 'v3']));
  });

  it('does not guess when calls run and nothing says on which adapters', () => {
    expect(read(running(1), waiting(0))).toBe('unknown');
  });

  it('says nothing of a text without statistics', () => {
    expect(read('# nothing')).toBeUndefined();
  });
});
