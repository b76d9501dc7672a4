import { expect, it } from 'vitest';
import { canMakeMachines, findLeft, machineNames, namespaceOf } from './machines.ts';

it('names the machines of each process otherwise, as short as a cable of Linux must be', () => {
  const names = [4_194_304, 4_194_303].flatMap((pid) => machineNames.map((name) => namespaceOf(name, pid)));
  expect(new Set(names).size).toBe(8);
  expect(Math.max(...names.map((name) => name.length))).toBeLessThanOrEqual(15);
});

it('finds what killed programs left, and leaves what is in use or not its own', () => {
  const left = machineNames.map((name) => namespaceOf(name, 17));
  const listed = [...left.map((name, index) => `${name} (id: ${index})`), 'agl-other', 'docker0', ''].join('\n');
  expect(findLeft(listed, () => false)).toEqual(left);
  expect(() => findLeft(listed, (pid) => pid === 17)).toThrow('process 17 has machines');
});

it('says that machines cannot be made where there is no ip to ask', () => {
  const { PATH } = process.env;
  process.env['PATH'] = '/nowhere';
  try {
    expect(canMakeMachines()).toBe(false);
  } finally {
    process.env['PATH'] = PATH;
  }
});
