import { describe, expect, it } from 'vitest';
import { readProgress, type JobProgress } from './job-progress.ts';
import type { Condition, Job, Pod } from './kubernetes-types.ts';

const job = (conditions: readonly Condition[] = [], spec: object = {}): Job => ({
  apiVersion: 'batch/v1',
  kind: 'Job',
  metadata: { name: 'j' },
  spec: { template: { spec: { containers: [] } }, ...spec },
  status: { conditions },
});
const pod = (status: NonNullable<Pod['status']>, name = 'p', creationTimestamp = '2026-01-01T00:00:00Z'): Pod => ({
  metadata: { name, creationTimestamp },
  status,
});
const agent = (state: object): NonNullable<NonNullable<Pod['status']>['containerStatuses']>[0] => ({
  name: 'agent',
  state,
});
const failed = (reason: string): Condition => ({ type: 'Failed', status: 'True', reason, message: 'm' });
const ended = (exitCode: number, endedBy?: string): JobProgress => ({ kind: 'ended', pod: 'p', exitCode, endedBy });
const waiting = (reason: string | undefined, hindrance = 'passing'): object => ({ kind: 'waiting', reason, hindrance });

describe('how far a Job is', () => {
  it.each([
    ['has no pod yet', job(), [], waiting(undefined)],
    ['is suspended', job([], { suspend: true }), [], waiting('the Job is suspended')],
    [
      'finds no node',
      job(),
      [pod({ conditions: [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message: '0/3 nodes' }] })],
      waiting('Unschedulable: 0/3 nodes'),
    ],
    [
      'makes its container',
      job(),
      [pod({ containerStatuses: [agent({ waiting: { reason: 'ContainerCreating' } })] })],
      waiting(undefined),
    ],
    [
      'cannot pull its image',
      job(),
      [pod({ containerStatuses: [agent({ waiting: { reason: 'ImagePullBackOff', message: 'no' } })] })],
      waiting('ImagePullBackOff: no', 'image'),
    ],
    [
      'cannot pull the image of an init container',
      job(),
      [
        pod({
          initContainerStatuses: [{ name: 'fetch', state: { waiting: { reason: 'ErrImagePull' } } }],
          containerStatuses: [agent({ waiting: { reason: 'PodInitializing' } })],
        }),
      ],
      waiting('ErrImagePull', 'image'),
    ],
    [
      'has an image of no name',
      job(),
      [pod({ containerStatuses: [agent({ waiting: { reason: 'InvalidImageName' } })] })],
      waiting('InvalidImageName', 'final'),
    ],
    [
      'lacks something that may come',
      job(),
      [
        pod({
          containerStatuses: [agent({ waiting: { reason: 'CreateContainerConfigError', message: 'no secret' } })],
        }),
      ],
      waiting('CreateContainerConfigError: no secret'),
    ],
    [
      'runs',
      job(),
      [pod({ phase: 'Running', containerStatuses: [agent({ running: {} })] })],
      { kind: 'running', pod: 'p' },
    ],
    [
      'ended well while another container goes on',
      job(),
      [
        pod({
          phase: 'Running',
          containerStatuses: [{ name: 'proxy', state: { running: {} } }, agent({ terminated: { exitCode: 0 } })],
        }),
      ],
      ended(0),
    ],
    [
      'ended with an exit code',
      job([failed('BackoffLimitExceeded')]),
      [pod({ phase: 'Failed', containerStatuses: [agent({ terminated: { exitCode: 3, reason: 'Error' } })] })],
      ended(3),
    ],
    [
      'took too much memory',
      job(),
      [pod({ phase: 'Failed', containerStatuses: [agent({ terminated: { exitCode: 137, reason: 'OOMKilled' } })] })],
      ended(137, 'OOMKilled'),
    ],
    [
      'has a pod of an earlier try',
      job(),
      [
        pod({ phase: 'Running', containerStatuses: [agent({ running: {} })] }, 'later', '2026-01-02T00:00:00Z'),
        pod({ phase: 'Failed', containerStatuses: [agent({ terminated: { exitCode: 3 } })] }),
      ],
      { kind: 'running', pod: 'later' },
    ],
    ['passed its own deadline', job([failed('DeadlineExceeded')]), [], { kind: 'overdue' }],
  ])('is read of one that %s', (_, read, pods, expected) => {
    expect(readProgress(read, pods, 'agent')).toEqual(expected);
  });

  it.each([
    ['deleted by someone else', undefined, [], 'deleted by someone else'],
    ['whose pod was removed', job([failed('BackoffLimitExceeded')]), [], 'its pod is gone: BackoffLimitExceeded'],
    ['done without a pod', job([{ type: 'Complete', status: 'True' }]), [], 'before its log was read'],
    [
      'evicted',
      job(),
      [
        pod({
          phase: 'Failed',
          reason: 'Evicted',
          message: 'low on memory',
          containerStatuses: [agent({ terminated: { exitCode: 137 } })],
        }),
      ],
      'Evicted: low on memory',
    ],
    [
      'preempted',
      job(),
      [
        pod({
          phase: 'Failed',
          conditions: [
            { type: 'DisruptionTarget', status: 'True', reason: 'PreemptionByScheduler', message: 'more urgent' },
          ],
          containerStatuses: [agent({ terminated: { exitCode: 143 } })],
        }),
      ],
      'PreemptionByScheduler: more urgent',
    ],
    [
      'with a program that is not in the image',
      job(),
      [
        pod({
          phase: 'Failed',
          containerStatuses: [agent({ terminated: { exitCode: 128, reason: 'StartError', message: 'no such file' } })],
        }),
      ],
      'could not be started (StartError: no such file)',
    ],
    [
      'with an init container that failed',
      job(),
      [
        pod({
          phase: 'Failed',
          initContainerStatuses: [{ name: 'fetch', state: { terminated: { exitCode: 2, message: 'no disk' } } }],
        }),
      ],
      'init container fetch ended with exit code 2 (no disk)',
    ],
  ])('is no end of the agent when it is one %s', (_, read, pods, why) => {
    expect(readProgress(read, pods, 'agent')).toEqual({ kind: 'failed', why: expect.stringContaining(why) });
  });
});
