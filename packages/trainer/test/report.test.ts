import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { askLetter, letterTasks, scoreLetter, type LetterTask } from './letter-task.ts';
import { createTestTrainer } from './run-folder.ts';

const attack = '<script>alert("x")</script><img src=x onerror=alert(1)>&\'';

async function reportOf(
  options: Parameters<typeof createTestTrainer>[0] = {},
  tasks: readonly LetterTask[] = letterTasks,
): Promise<string> {
  const { trainer } = await createTestTrainer({ taskKind: (task) => task.kind, ...options });
  const { reportPath } = await trainer.fit({ train: tasks, validation: tasks, steps: 3 });
  return await readFile(reportPath, 'utf8');
}

describe('report.html', () => {
  it('shows the curve, the kinds, the steps and the tokens', async () => {
    const page = await reportOf();
    for (const heading of [
      'Learning curve',
      'Reward by kind of question',
      'The same held-out tasks, before and after',
      'Training rollouts, token by token',
      'Step by step',
      'What was run',
    ]) {
      expect(page).toContain(`<h2>${heading}</h2>`);
    }
    expect(page).toContain('completed after 3 steps');
    expect(page).toMatch(/<td>even<\/td>/);
    expect(page).toMatch(/title="log-probability -\d+\.\d+ \(\d+\.\d %\), advantage [+−]\d/);
    expect(page).toMatch(/class="masked" title="1 tokens with mask 0/);
    expect(page).toContain('step 1 · one group');
    expect(page).toContain('step 3 · one group');
  });

  it('needs nothing from outside', async () => {
    const page = await reportOf();
    expect(page).not.toMatch(/(src|href)=["']?(https?:)?\/\//);
    expect(page).not.toMatch(/@import|url\(/);
    expect(page).toContain("default-src 'none'");
  });

  it('escapes whatever comes from the run', async () => {
    const tasks = letterTasks.map((task, index) => ({
      ...task,
      kind: attack,
      letter: index === 0 ? `${attack}a` : task.letter,
    }));
    const page = await reportOf(
      {
        rollout: async (task, context) => {
          if (context.mode === 'val' && task.letter === 'b') throw new Error(attack);
          return scoreLetter(task, await askLetter(task, context));
        },
      },
      tasks,
    );
    expect(page).toContain('&lt;script&gt;alert(&quot;x&quot;)');
    expect(page).not.toContain('<script>alert');
    expect(page).not.toContain('<img');
    expect(page.match(/<script>/g)).toHaveLength(1);
  });

  it('shows ids where the backend cannot tell the texts', async () => {
    const { trainer, backend } = await createTestTrainer();
    Object.assign(backend, { tokenTexts: undefined });
    const { reportPath } = await trainer.fit({ train: letterTasks, steps: 1 });
    expect(await readFile(reportPath, 'utf8')).toMatch(/class="masked"[^>]*>\d+ <\/span>/);
  });
});
