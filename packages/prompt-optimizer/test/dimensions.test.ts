import { describe, expect, it } from 'vitest';
import { findFronts, weighParents } from '../src/index.ts';
import { answerCapital, answerPrompt, capitalTasks } from './capitals/capital-agent.ts';
import { createSearch } from './capitals/gepa-search.ts';

const half = 0.5;

describe('a frontier of dimensions', () => {
  it('keeps what is best in one dimension, and takes the reward where a dimension is not named', () => {
    const pool = [
      {
        scores: [half, half],
        rewards: [
          { right: half, short: half },
          { right: half, short: half },
        ],
      },
      {
        scores: [1, 1],
        rewards: [
          { right: 1, short: 0 },
          { right: 1, short: 0 },
        ],
      },
      { scores: [0, 0], rewards: [{ right: 0, short: 1 }, {}] }, // It failed on the second task.
    ];
    expect(findFronts(pool)).toEqual([[1], [1]]);
    expect(findFronts(pool, 'dimension')).toEqual([[1], [0, 2]]);
    expect(findFronts(pool, 'hybrid')).toEqual([[1], [1], [1], [0, 2]]);
    expect(findFronts(pool, 'cartesian')).toEqual([[1], [2], [1], [0]]);
    expect([...weighParents(pool, 'dimension')]).toEqual([
      [1, half],
      [0, half],
    ]);
  });

  it('makes a parent of a prompt that is best in another dimension than the first', async () => {
    // Capital letters are right; a full stop is neat.
    const answers = ['Write in capital letters.', 'End with a full stop.'];
    const run = async (frontier: 'task' | 'dimension'): Promise<ReadonlySet<string>> => {
      let requests = 0;
      const parents = new Set<string>();
      const search = await createSearch(
        {
          frontier,
          acceptance: 'improvement-or-equal',
          proposals: 2,
          reflection: async () => `<new_prompt>${answerPrompt.text} ${answers[requests++] ?? requests}</new_prompt>`,
        },
        {
          rollout: (task, { rollout }) => {
            if (rollout.metadata['purpose'] === 'parent') parents.add(answerPrompt.render({ country: '{{country}}' }));
            const answer = answerCapital(task);
            return { right: answer === answer.toUpperCase() ? 0.9 : half, neat: answer.endsWith('.') ? 1 : 0 };
          },
          seed: 1,
        },
      );
      await search.trainer.fit({ train: capitalTasks, steps: 5 });
      return parents;
    };
    const neat = `${answerPrompt.text} End with a full stop.`;
    expect(await run('dimension')).toContain(neat);
    expect(await run('task')).not.toContain(neat);
  });

  it('is refused by name where rewards have one dimension', async () => {
    const { trainer } = await createSearch({ frontier: 'hybrid' });
    await expect(trainer.fit({ train: capitalTasks, steps: 2 })).rejects.toMatchObject({
      code: 'option-invalid',
      message: expect.stringMatching(/gepa\.frontier must be "task" where rewards have one dimension, "quality"/),
    });
  });
});
