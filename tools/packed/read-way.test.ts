import { globSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { isFlat, isRising } from './judge-curve.ts';
import { readWay } from './read-way.ts';

const fence = '```';
const folder = join(import.meta.dirname, '..', '..', 'docs', 'quickstarts');
const pages = globSync('*.md', { cwd: folder }).filter((file) => file !== 'README.md');

describe('a way', () => {
  it('has the files and the commands of its document, in their order', () => {
    const text = `${fence}sh\nnpm init -y\n\nnpm install a # two\n${fence}\n${fence}ts [src/a.ts]\nexport {};\n${fence}\n${fence}ts\nshown only\n${fence}\n${fence}sh\nnpx a\n${fence}\n`;
    const way = {
      files: [{ name: 'src/a.ts', content: 'export {};\n' }],
      commands: ['npm init -y', 'npm install a', 'npx a'],
    };
    expect(readWay(text)).toEqual(way);
    expect(readWay(text.replaceAll('\n', '\r\n'))).toEqual(way);
  });

  it('without a file or a command is none', () => {
    expect(() => readWay(`${fence}sh\nls\n${fence}\n`)).toThrow('this document has 0 and 1');
    expect(() => readWay(`${fence}ts [a.ts]\n${fence}\n`)).toThrow('this document has 1 and 0');
  });
});

describe('a curve', () => {
  const curve = (gain: number, low: number) => ({
    steps: 4,
    verdict: { gain, interval: [low, 1] as const, baseline: { reward: 0 }, candidate: { reward: gain } },
  });

  it('rises with a gain of 0.15 whose interval is above 0', () => {
    expect([curve(0.15, 0.01), curve(0.14, 0.01), curve(0.4, 0), { steps: 4 }].map(isRising)).toEqual([
      true,
      false,
      false,
      false,
    ]);
  });

  it('is flat when it was judged and the interval of its gain reaches 0', () => {
    expect([curve(0.4, 0), curve(-0.2, -0.4), curve(0.05, 0.01), { steps: 4 }].map(isFlat)).toEqual([
      true,
      true,
      false,
      false,
    ]);
  });
});

describe('the quickstarts', () => {
  it('are there for each framework', () => {
    expect(pages.map((file) => basename(file, '.md')).toSorted()).toEqual([
      'ai-sdk',
      'langgraph',
      'mastra',
      'openai-agents',
    ]);
  });

  it.each(pages)('take five commands at most, and end with a training: %s', (file) => {
    const { files, commands } = readWay(readFileSync(join(folder, file), 'utf8'));
    expect(commands.length).toBeLessThanOrEqual(5);
    expect(commands.at(-1)).toBe('npx agent-lightning train');
    expect(files.map(({ name }) => name)).toContain('lightning.config.ts');
  });
});

it('names the files of the page that users begin with', () => {
  const { files, commands } = readWay(readFileSync(join(folder, '..', 'start.md'), 'utf8'));
  expect(files.map(({ name }) => name)).toEqual(['agent.js', 'lightning.config.js']);
  expect(commands.slice(-2)).toEqual(['npx agent-lightning dev', 'npx agent-lightning train']);
});
