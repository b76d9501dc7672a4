import { describe, expect, it } from 'vitest';
import { explainStart } from './explain-start.ts';

describe('the reason why a command did not start', () => {
  it('names the script on Windows, where only programs are started', () => {
    const failed = { cwd: undefined, platform: 'win32' } as const;
    expect(explainStart({ ...failed, code: 'ENOENT', command: 'npx' })).toMatch(/"npx" was not found.*command: 'node'/);
    expect(explainStart({ ...failed, code: 'EINVAL', command: 'npx.CMD' })).toMatch(/"npx.CMD".*command: 'node'/);
    expect(explainStart({ ...failed, code: 'EINVAL', command: 'agent.exe' })).toBeUndefined();
  });

  it('says nothing of scripts elsewhere', () => {
    const failed = { command: 'npx', cwd: undefined, platform: 'darwin' } as const;
    expect(explainStart({ ...failed, code: 'ENOENT' })).toBe(
      'the command "npx" was not found; give a path, or add it to the PATH',
    );
    expect(explainStart({ ...failed, code: 'EINVAL' })).toBeUndefined();
  });

  it('is the working directory where that is not there', () => {
    expect(explainStart({ code: 'ENOENT', command: 'node', cwd: '/no/such/folder' })).toContain('/no/such/folder');
  });
});
