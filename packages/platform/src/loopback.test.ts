import { expect, it } from 'vitest';
import { isLoopback } from './loopback.ts';

it('knows the addresses of this machine alone', () => {
  const hosts = ['localhost', '127.0.0.1', '127.1.2.3', '::1', '[::1]'];
  expect(hosts.filter((host) => !isLoopback(host))).toEqual([]);
});

it('takes no other for one, however alike', () => {
  const hosts = [
    '0.0.0.0',
    '::',
    '[::]',
    '',
    '127.0.0.1.example.org',
    '127.example.org',
    'localhost.example.org',
    '::2',
  ];
  expect(hosts.filter(isLoopback)).toEqual([]);
});
