import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { askLetter, letterTasks, scoreLetter, type LetterTask } from './letter-task.ts';
import { createTestTrainer, readReport } from './run-folder.ts';

const attack = '<script>alert("x")</script><img src=x onerror=alert(1)></SCRIPT><!--&\'';

async function reportOf(
  options: Parameters<typeof createTestTrainer>[0] = {},
  tasks: readonly LetterTask[] = letterTasks,
): Promise<string> {
  const { trainer } = await createTestTrainer({ taskKind: (task) => task.kind, ...options });
  const { reportPath } = await trainer.fit({ train: tasks, validation: tasks, steps: 3 });
  return reportPath!;
}

/** Returns the text between the tags of each element of the page that has this name, with its attributes. */
function elementsOf(page: string, name: string): readonly (readonly [attributes: string, text: string])[] {
  return [...page.matchAll(new RegExp(`<${name}([^>]*)>(.*?)</${name}>`, 'gis'))].map((match) => [
    match[1]!,
    match[2]!,
  ]);
}

describe('report.html', () => {
  it('has the curve, the kinds, the steps, held-out tasks before and after, and tokens with their advantages', async () => {
    const { reply, entries, chosen } = await readReport(await reportOf());
    expect(reply('')).toMatchObject({ state: 'ended', outcome: 'completed', steps: 3, hasStore: true });
    expect(reply('').validationBefore.byKind).toHaveProperty('even');
    expect(reply('').curve).toHaveLength(3);
    expect(reply('metrics').lines.map(({ step }: { readonly step: number }) => step)).toEqual([1, 2, 3]);
    expect(entries).toHaveLength(3 * 32 + 2 * letterTasks.length);
    const { heldOut, kept, lastStep } = reply('examples');
    expect(heldOut).toHaveLength(4);
    expect(heldOut[0]).toMatchObject({ steps: [0, 3], before: { said: expect.any(String) } });
    expect(heldOut[0].after.reward).toBeGreaterThan(heldOut[0].before.reward);
    expect(kept.map(({ step }: { readonly step: number }) => step)).toEqual([1, 3]);
    expect(lastStep).toMatchObject({ step: 3, total: 32 });
    const tokens = reply(`rollouts/${kept[1].items[0].id}/tokens`);
    expect(tokens).toMatchObject({ advantages: 'recorded', samples: [{ mask: [0, 1], texts: expect.any(Array) }] });
    expect(reply(`rollouts/${heldOut[0].after.id}/tokens`).samples[0].texts).toHaveLength(2);
    expect(chosen).toEqual([
      `The lists have all ${entries.length} rollouts of the run.`,
      expect.stringMatching(/^\d+ rollouts can be opened: those of the last step, 3; held-out tasks before and after/),
      expect.stringMatching(/^\d+ of them can be read token by token\.$/),
    ]);
  });

  it('of a failed run has failures by kind, and every rollout of the last step with what the model said', async () => {
    const { trainer, logger, runDirectory } = await createTestTrainer({
      rollout: async (task, context) => {
        const answer = await askLetter(task, context);
        if (context.rollout.metadata['sample'] === 0) throw new RangeError(`${attack}\u001B[2J\u009B2J`);
        return { right: 0, feedback: `${attack} ${answer}` };
      },
      failureReward: 0,
      noSignalPatience: 1,
    });
    await expect(trainer.fit({ train: letterTasks.slice(0, 2), steps: 1 })).rejects.toMatchObject({
      code: 'no-signal',
    });
    const path = join(runDirectory, 'report.html');
    const { reply, entries } = await readReport(path);
    expect(reply('').outcome).toMatch(/^stopped: /);
    const { failures, lastStep } = reply('examples');
    expect(failures).toMatchObject([{ code: 'RangeError', kind: 'unknown', count: 4 }]);
    expect(failures[0].items[0]).toMatchObject({ said: expect.stringMatching(/^.$/), failure: 'RangeError' });
    expect(failures[0].items[0].message).toContain(attack);
    expect(lastStep).toMatchObject({ step: 1, total: 32 });
    for (const { id } of entries)
      expect(reply(`rollouts/${id}`).view.entries).toContainEqual(
        expect.objectContaining({ type: 'message', role: 'assistant', text: expect.stringMatching(/^.$/) }),
      );
    const page = await readFile(path, 'utf8');
    // oxlint-disable-next-line no-control-regex -- a terminal that prints the file would obey these
    expect(page).not.toMatch(/[\u001B\u0080-\u009F]/);
    const log = logger.lines.join('\n');
    expect(log).toMatch(/one rollout as it went: run-\w+\.s1\.g0\.k[1-7]\n/);
    expect(log).toMatch(/- 4 of 32 rollouts \(13 %\) failed with RangeError/);
    expect(log).not.toContain('\u001B');
  });

  it('needs nothing from outside, and runs only its own script', async () => {
    const page = await readFile(await reportOf(), 'utf8');
    const scripts = elementsOf(page, 'script');
    expect(scripts.map(([attributes]) => attributes)).toEqual([
      ' type="application/json" id="snapshot"',
      ' type="module"',
    ]);
    const [[, style]] = elementsOf(page, 'style') as [readonly [string, string]];
    const hash = (text: string): string => `sha256-${createHash('sha256').update(text).digest('base64')}`;
    expect(page).toContain(
      `content="default-src 'none'; script-src '${hash(scripts[1]![1])}'; style-src '${hash(style)}'; base-uri 'none'; form-action 'none'"`,
    );
    expect(page.slice(0, page.indexOf('<script'))).not.toMatch(/(src|href)=|@import|url\(/);
  });

  it('holds whatever comes from the run as data, and never as markup', async () => {
    const tasks = letterTasks.map((task, index) => ({
      ...task,
      kind: attack,
      letter: index === 0 ? `${attack}a` : task.letter,
    }));
    const path = await reportOf(
      {
        rollout: async (task, context) => {
          if (context.mode === 'val' && task.letter === 'b') throw new Error(attack);
          return scoreLetter(task, await askLetter(task, context));
        },
      },
      tasks,
    );
    const page = await readFile(path, 'utf8');
    expect(elementsOf(page, 'script')).toHaveLength(2);
    expect(elementsOf(page, 'script')[0]![1]).not.toContain('<');
    expect(page).not.toMatch(/<img|<script>alert/);
    expect((await readReport(path)).entries.some(({ taskKind }) => taskKind === attack)).toBe(true);
  });

  it('shows ids where the backend cannot tell the texts', async () => {
    const { trainer, backend } = await createTestTrainer();
    Object.assign(backend, { tokenTexts: undefined });
    const { reportPath } = await trainer.fit({ train: letterTasks, steps: 1 });
    const { reply } = await readReport(reportPath);
    const { id } = reply('examples').kept[0].items[0];
    const { samples } = reply(`rollouts/${id}/tokens`);
    expect(samples[0].ids).toHaveLength(2);
    expect(samples[0]).not.toHaveProperty('texts');
  });

  it('that cannot be written takes nothing from the result of the run', async () => {
    const { trainer, logger, runDirectory } = await createTestTrainer({
      rollout: async (task, context) => {
        await mkdir(join(runDirectory, 'report.html'), { recursive: true });
        return scoreLetter(task, await askLetter(task, context));
      },
    });
    const result = await trainer.fit({ train: letterTasks, steps: 1 });
    expect(result).toMatchObject({ stopReason: 'completed', steps: 1, reportPath: undefined });
    expect(existsSync(result.modelDirectory!)).toBe(true);
    expect(logger.lines.filter((line) => line.includes('no report could be written'))).toHaveLength(1);
  });
});
