import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
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

  it('begins with failures and their counts, and holds every rollout of the last step with what the model said', async () => {
    const { trainer, logger, runDirectory } = await createTestTrainer({
      rollout: async (task, context) => {
        const answer = await askLetter(task, context);
        if (context.rollout.metadata['sample'] === 0) throw new RangeError(`${attack}\u001B[2J`);
        return { right: 0, feedback: `${attack} ${answer}` };
      },
      failureReward: 0,
      noSignalPatience: 1,
    });
    await expect(trainer.fit({ train: letterTasks.slice(0, 2), steps: 1 })).rejects.toMatchObject({
      code: 'no-signal',
    });
    const page = await readFile(join(runDirectory, 'report.html'), 'utf8');
    const failures = page.indexOf('<h2>Failed training rollouts</h2>');
    expect(failures).toBeGreaterThan(0);
    expect(failures).toBeLessThan(page.indexOf('class="tiles"'));
    expect(page).toMatch(
      /<td>unknown<\/td><td>RangeError<\/td><td class="n">4<\/td><td>run\.s1\.g0\.k0: &lt;script&gt;/,
    );
    expect(page).toContain('<h2>Every rollout of step 1</h2>');
    expect(page.match(/<details class="card">/g)).toHaveLength(32);
    expect(page.match(/<div class="name">assistant<\/div><div class="said">.<\/div>/g)).toHaveLength(32);
    expect(page).not.toMatch(/<script>alert|<img/);
    expect(page).not.toContain('\u001B');
    const [script] = /<script>([\s\S]*)<\/script>/.exec(page)!.slice(1);
    const hash = createHash('sha256').update(script!).digest('base64');
    expect(page).toContain(`script-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'`);
    const log = logger.lines.join('\n');
    expect(log).toMatch(/one rollout as it went: run\.s1\.g0\.k[1-7]\n/);
    expect(log).toMatch(/- 4 of 32 rollouts \(13 %\) failed with RangeError/);
    expect(log).not.toContain('\u001B');
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
