import { assert, constantFrom, dictionary, oneof, property, stringMatching } from 'fast-check';
import { describe, expect, it } from 'vitest';
import { resolvePolicies } from './policy-options.ts';

const policy = { agentMatch: /write/ };

describe('the names of policies', () => {
  it.each(['con', 'Aux', 'nul.v2', 'COM1', 'writer.'])('may not be what no folder is called on Windows: %s', (name) => {
    expect(() => resolvePolicies({ [name]: policy })).toThrow(
      expect.objectContaining({ code: 'option-invalid', message: expect.stringContaining(`"${name}"`) }),
    );
  });

  it('differ by more than capitals, since each is the name of a folder', () => {
    expect(() => resolvePolicies({ writer: policy, Writer: policy })).toThrow(/"writer" and "Writer"/);
    expect(resolvePolicies({ writer: policy, console: policy }).map(({ name }) => name)).toEqual(['writer', 'console']);
  });

  it('that are taken are folders of their own on every system', () => {
    const name = oneof(stringMatching(/^[A-Za-z][A-Za-z0-9._-]{0,6}$/), constantFrom('con', 'CON.x', 'a', 'A', 'b.'));
    const policies = dictionary(name, constantFrom(policy), { minKeys: 1, maxKeys: 5 });
    assert(
      property(policies, (given) => {
        let names: readonly string[];
        try {
          names = resolvePolicies(given).map((each) => each.name);
        } catch {
          return;
        }
        expect(new Set(names.map((each) => each.toUpperCase())).size).toBe(names.length);
        for (const each of names) expect(each).not.toMatch(/^(con|prn|aux|nul|(com|lpt)[0-9])(\..*)?$|[. ]$/i);
      }),
    );
  });
});
