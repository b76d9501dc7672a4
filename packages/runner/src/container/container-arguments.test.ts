import { afterEach, describe, expect, it, vi } from 'vitest';
import type { LlmEndpoint } from '@agent-lightning/core';
import { containerArguments, engineEnvironment } from './container-arguments.ts';
import { containerEndpoint, type EngineKind } from './container-endpoint.ts';
import { resolveContainerOptions, type RunContainerOptions } from './container-options.ts';
import { ownedName, isOrphan, thisOwner } from '../process-owner.ts';

afterEach(() => vi.unstubAllEnvs());

function build(options: Partial<RunContainerOptions>, env: Record<string, string> = {}, engine: EngineKind = 'docker') {
  const facts = {
    engine,
    name: 'n',
    labels: { 'agent-lightning.rollout': 'r' },
    env,
    engineEnv: { PATH: '/bin' },
    args: ['-x'],
  };
  return containerArguments(resolveContainerOptions({ image: 'agent:1', ...options }), facts);
}

/** The arguments that come after each use of an option. */
function valuesOf(args: readonly string[], option: string): readonly string[] {
  return args.flatMap((each, index) => (each === option ? [args[index + 1]!] : []));
}

describe('the arguments of a container', () => {
  it('give it a name, labels and few rights, and end with the image and its arguments', () => {
    const { args } = build({});
    expect(args.slice(0, 6)).toEqual(['run', '--rm', '--interactive', '--init', '--name', 'n']);
    expect(args.slice(-2)).toEqual(['agent:1', '-x']);
    expect(valuesOf(args, '--label')).toEqual(['agent-lightning.rollout=r']);
    expect(valuesOf(args, '--security-opt')).toEqual(['no-new-privileges']);
    expect(valuesOf(args, '--cap-drop')).toEqual(['ALL']);
    expect(valuesOf(args, '--pids-limit')).toEqual(['512']);
    expect(valuesOf(args, '--log-driver')).toEqual(['none']);
    expect(valuesOf(args, '--stop-timeout')).toEqual([]);
    expect(valuesOf(build({}, {}, 'podman').args, '--stop-timeout')).toEqual(['0']);
    expect(args).not.toContain('--memory');
    expect(args).not.toContain('--cpus');
  });

  it('have its limits, without swap, and the user’s own before the image', () => {
    const { args } = build({ memory: '256m', cpus: 0.5, pids: 32, engineArgs: ['--volume', '/data:/data:ro'] });
    expect(valuesOf(args, '--memory')).toEqual(['256m']);
    expect(valuesOf(args, '--memory-swap')).toEqual(['256m']);
    expect(valuesOf(args, '--cpus')).toEqual(['0.5']);
    expect(valuesOf(args, '--pids-limit')).toEqual(['32']);
    expect(args.slice(-4)).toEqual(['--volume', '/data:/data:ro', 'agent:1', '-x']);
  });

  it.each([
    [undefined, [], ['host.docker.internal:host-gateway']],
    ['agents', ['agents'], ['host.docker.internal:host-gateway']],
    ['host', ['host'], []],
    ['none', ['none'], []],
    ['container:other', ['container:other'], []],
  ])('have its network %s', (network, networks, hosts) => {
    const { args } = build(network === undefined ? {} : { network });
    expect([valuesOf(args, '--network'), valuesOf(args, '--add-host')]).toEqual([networks, hosts]);
    const ofPodman = build(network === undefined ? {} : { network }, {}, 'podman').args;
    expect([valuesOf(ofPodman, '--network'), valuesOf(ofPodman, '--add-host')]).toEqual([networks, []]);
  });

  it('show no value of a variable, but where the engine would take it for its own', () => {
    const { args, env } = build(
      {},
      { OPENAI_API_KEY: 'canary', PATH: '/opt/bin', DOCKER_HOST: 'tcp://mine', X: 'a\nb' },
    );
    expect(valuesOf(args, '--env')).toEqual(['OPENAI_API_KEY', 'PATH=/opt/bin', 'DOCKER_HOST=tcp://mine', 'X']);
    expect(env).toEqual({ PATH: '/bin', OPENAI_API_KEY: 'canary', X: 'a\nb' });
    expect(args.join(' ')).not.toContain('canary');
  });

  it('go to an engine that knows where it is, and has no keys of this process', () => {
    vi.stubEnv('DOCKER_HOST', 'unix:///run/mine.sock');
    vi.stubEnv('OPENAI_API_KEY', 'canary');
    vi.stubEnv('LD_PRELOAD', 'canary');
    const env = engineEnvironment({ PATH: '/bin', HOME: undefined });
    expect(env).toMatchObject({ PATH: '/bin', DOCKER_HOST: 'unix:///run/mine.sock' });
    expect(env).not.toHaveProperty('HOME');
    expect(JSON.stringify(env)).not.toContain('canary');
  });
});

describe('the endpoint of a container', () => {
  const at = (baseUrl: string): LlmEndpoint => ({ baseUrl, apiKey: 'k', model: 'm', sampling: {} });

  it.each([
    ['http://127.0.0.1:4000/rollout/r/v1', undefined, 'http://host.docker.internal:4000/rollout/r/v1'],
    ['http://localhost/v1', 'agents', 'http://host.docker.internal/v1'],
    ['http://[::1]:81/v1', undefined, 'http://host.docker.internal:81/v1'],
    ['http://127.0.0.1:4000/v1', 'host', 'http://127.0.0.1:4000/v1'],
    ['http://127.0.0.1:4000/v1', 'none', 'http://127.0.0.1:4000/v1'],
    ['http://localhost:4000/v1', 'container:other', 'http://localhost:4000/v1'],
    ['https://gateway.example/v1', undefined, 'https://gateway.example/v1'],
    ['http://10.0.0.1:4000/v1', undefined, 'http://10.0.0.1:4000/v1'],
  ])('%s on the network %s is %s', (baseUrl, network, expected) => {
    expect(containerEndpoint(at(baseUrl), network, 'docker')).toEqual(at(expected));
    const ofPodman = expected.replace('host.docker.internal', 'host.containers.internal');
    expect(containerEndpoint(at(baseUrl), network, 'podman')).toEqual(at(ofPodman));
  });
});

describe('the owner of a container', () => {
  it('is alive when it is this process, and gone when its process is, or is another of the same id', () => {
    const owner = thisOwner();
    expect(isOrphan(ownedName(owner), owner.space)).toBe(false);
    expect(isOrphan(ownedName({ ...owner, pid: 2 ** 30 }), owner.space)).toBe(true);
    const isLinux = process.platform === 'linux';
    expect(isOrphan(ownedName({ ...owner, startedAt: '1' }), owner.space)).toBe(isLinux);
  });

  it('of another machine, and a name that is not ours, is never taken for gone', () => {
    const owner = thisOwner();
    const elsewhere = { space: 'f'.repeat(12), pid: 2 ** 30, startedAt: '1' };
    expect(isOrphan(ownedName(elsewhere), owner.space)).toBe(false);
    expect(isOrphan('agent-lightning_mine', owner.space)).toBe(false);
    expect(ownedName(owner)).not.toBe(ownedName(owner));
  });
});

describe('the options of a container', () => {
  it.each([
    [{ image: '' }, 'image must be'],
    [{ image: '--privileged' }, 'image must be'],
    [{ engine: '' }, 'engine must be'],
    [{ network: '--x' }, 'network must be'],
    [{ memory: '0' }, 'memory must be'],
    [{ memory: '1 GB' }, 'memory must be'],
    [{ cpus: 0 }, 'cpus must be'],
    [{ pids: 0.5 }, 'pids must be'],
    [{ engineArgs: '-v' }, 'engineArgs must be'],
    [{ engineArgs: [1] }, 'engineArgs[0] must be'],
    [{ inheritEnv: true }, 'inheritEnv must be'],
    [{ reward: 'stderr' }, 'runContainer: reward must be'],
    [{ timeoutMs: 0 }, 'runContainer: timeoutMs must be'],
    [{ args: [1] }, 'runContainer: args[0] must be'],
    [{ command: 'x' }, 'command'],
  ])('are checked before anything runs: %j', (options, message) => {
    const resolve = () => resolveContainerOptions({ image: 'agent:1', ...options } as never);
    expect(resolve).toThrow(expect.objectContaining({ code: 'option-invalid' }));
    expect(resolve).toThrow(message);
  });
});
