import { attributeNames, type Rollout, type Span } from '@agent-lightning/core';
import { describe, expect, it } from 'vitest';
import type { SeenText } from './read-texts.ts';
import { findPrompts } from './find-prompts.ts';

type Call = Pick<SeenText, 'kind' | 'text'> & Partial<SeenText>;

/** A dry run of one rollout for each task, whose model calls have these texts. */
function find(tasks: readonly (readonly Call[])[], agentMatch?: string) {
  const rollouts = tasks.map((_, index) => ({ rolloutId: `r${index}`, input: index }) as unknown as Rollout);
  const spans = tasks.flatMap((calls, index) =>
    calls.map(({ agent = 'write', ...place }) => {
      const attributes = {
        [attributeNames.promptPlaces]: JSON.stringify([place]),
        [attributeNames.agentNames]: [agent],
      };
      return { rolloutId: `r${index}`, kind: 'object', attributes } as unknown as Span;
    }),
  );
  return findPrompts(rollouts, spans, { agentMatch });
}

const system = (text: string, agent = 'write'): Call => ({ kind: 'system', text, agent });

describe('findPrompts', () => {
  it('finds the system message of each agent, once', () => {
    const calls = [system('Write.'), system('Check it.', 'check'), system('Write.')];
    const { prompts, calls: count } = find([calls, calls]);
    expect(prompts).toEqual([
      { name: 'write/system', kind: 'system', agent: 'write', text: 'Write.', slots: [] },
      { name: 'check/system', kind: 'system', agent: 'check', text: 'Check it.', slots: [] },
    ]);
    expect(count).toBe(6);
    expect(find([calls], 'check').prompts.map(({ name }) => name)).toEqual(['check/system']);
  });

  it('makes slots of what varies in a template', () => {
    const write = (schema: string, dialect: string): readonly Call[] => [
      system(`You write SQL for this schema:\n${schema}\nThe dialect is ${dialect}. Answer with the query alone.`),
    ];
    const { prompts } = find([
      write('cars(id, name)', 'SQLite'),
      write('singers(id), concerts(singer_id, year)', 'MySQL'),
      write('', 'MySQL'),
      write('cars(id, name)', 'SQLite'),
    ]);
    expect(prompts).toEqual([
      {
        name: 'write/system',
        kind: 'system',
        agent: 'write',
        text: 'You write SQL for this schema:\n{{slot1}}\nThe dialect is {{slot2}}. Answer with the query alone.',
        slots: ['slot1', 'slot2'],
      },
    ]);
  });

  it('takes a short word that values share for a part of them, and names no slot as the text does', () => {
    const of = (what: string): readonly Call[] => [system(`Explain {{slot1}} to a child: ${what}. Be very brief.`)];
    const { prompts } = find([of('laws of nature'), of('kings of Rome'), of('a lot of rain')]);
    expect(prompts[0]).toMatchObject({
      text: 'Explain {{slot1}} to a child: {{slot2}}. Be very brief.',
      slots: ['slot2'],
    });
  });

  it('tells two prompts of one agent apart that begin alike', () => {
    const calls = [
      system('You are a helpful assistant. Plan the steps.'),
      system('You are a helpful assistant. Check.'),
    ];
    expect(find([calls, calls]).prompts.map(({ name, text }) => [name, text])).toEqual([
      ['write/system', 'You are a helpful assistant. Plan the steps.'],
      ['write/system-2', 'You are a helpful assistant. Check.'],
    ]);
  });

  it('finds the constant beginning of user messages, and the whole where its end is constant too', () => {
    const ask = (text: string): readonly Call[] => [{ kind: 'beginning', text }];
    const open = (question: string) => ask(`Answer the question in one word. Question: ${question}`);
    expect(find([open('Who wrote Emma?'), open('Who is Max?')]).prompts).toMatchObject([
      { name: 'write/beginning', kind: 'beginning', text: 'Answer the question in one word. Question: ', slots: [] },
    ]);
    const closed = (question: string) => ask(`Answer the question.\n${question}\nAnswer with one word.`);
    expect(find([closed('Who wrote Emma?'), closed('Where is Rome?')]).prompts).toMatchObject([
      { text: 'Answer the question.\n{{slot1}}\nAnswer with one word.', slots: ['slot1'] },
    ]);
    expect(find([ask('Who wrote Emma?'), ask('Where is Rome?')]).prompts).toEqual([]);
    expect(find([open('Who wrote Emma?')]).prompts).toEqual([]);
  });

  it('finds no prompt in texts of which each is of one task, and says so', () => {
    const { prompts, left } = find([[system('Rome has fallen.')], [system('It rains in Oslo today.')]]);
    expect(prompts).toEqual([]);
    expect(left.join()).toContain('the system messages of the agent "write" (2 calls)');
  });

  it('takes no text for a prompt that one task of several alone had, and says so', () => {
    const write = system('You write SQL for the shop.');
    const repair = system('Repair the SQL SELECT 3 for the question "how many cats?"', 'repair');
    const { prompts, left } = find([[write], [write, repair], [write]]);
    expect(prompts.map(({ name }) => name)).toEqual(['write/system']);
    expect(left.join()).toContain('the system messages of the agent "repair" (1 calls) stood in the calls of one task');
  });

  it('makes one prompt of a tool that says the same to all agents, and several of one that does not', () => {
    const tool = (agent: string, text: string, more: object = {}): Call => ({
      kind: 'tool',
      tool: 'find',
      agent,
      text,
      ...more,
    });
    const shared = [tool('a', 'Finds rows.'), tool('b', 'Finds rows.')];
    expect(find([shared, shared]).prompts).toEqual([
      { name: 'tool:find/description', kind: 'tool', tool: 'find', text: 'Finds rows.', slots: [] },
    ]);
    const own = [tool('a', 'Finds rows.'), tool('b', 'Finds columns.')];
    expect(find([own, own]).prompts.map(({ name, agent }) => [name, agent])).toEqual([
      ['a/tool:find/description', 'a'],
      ['b/tool:find/description', 'b'],
    ]);
    const parameter = [tool('a', 'A filter.', { kind: 'parameter', parameter: 'where' })];
    expect(find([parameter, parameter]).prompts).toMatchObject([
      { name: 'tool:find/where/description', parameter: 'where' },
    ]);
  });
});
