import { readFileSync } from 'node:fs';
import { check } from '@agent-lightning/core';
import { parse } from 'yaml';
import type { Container, Job, JobSpec } from './kubernetes-types.ts';

/** A Job's manifest that was checked, which the Jobs of attempts are made of. */
export interface JobTemplate {
  readonly manifest: Job;
  /** The beginning of the Jobs' names. */
  readonly prefix: string;
  /** The place of the agent's container among those of the pod. */
  readonly agent: number;
  readonly image: string;
  /** True when pods share the network of their node, so that loopback addresses are the node's. */
  readonly isOnHost: boolean;
}

/** The least time that a Job which ended must stay for its log to be read. */
const leastTtlSeconds = 60;
const longestPrefix = 40;

/** Returns the template that an option gives. @throws {ConfigurationError} `option-invalid` naming the field */
export function readTemplate(given: string | object, container: string | undefined): JobTemplate {
  const manifest = structuredClone(typeof given === 'string' ? readFile(given) : given) as Job;
  if (
    typeof manifest !== 'object' ||
    manifest === null ||
    manifest.kind !== 'Job' ||
    manifest.apiVersion !== 'batch/v1'
  )
    throw invalid(
      'template',
      typeof given === 'string' ? given : `${manifest?.apiVersion} ${manifest?.kind}`,
      'a manifest of kind Job and apiVersion batch/v1',
    );
  const { template: pod } = (manifest.spec ?? {}) as Partial<JobSpec>;
  const containers: readonly Container[] = pod?.spec?.containers ?? [];
  if (!Array.isArray(containers) || containers.length === 0)
    throw invalid('template.spec.template.spec.containers', 'nothing', 'a list with the container of the agent');
  const agent = container === undefined ? 0 : containers.findIndex(({ name }) => name === container);
  if (agent < 0)
    throw invalid('container', container, `one of the template: ${containers.map(({ name }) => name).join(', ')}`);
  const { image, name } = containers[agent]!;
  if (typeof image !== 'string' || image === '' || typeof name !== 'string')
    throw invalid(
      `template.spec.template.spec.containers[${agent}]`,
      'one without',
      'an object with a name and an image',
    );
  if (manifest.metadata?.resourceVersion !== undefined)
    throw invalid(
      'template.metadata.resourceVersion',
      manifest.metadata.resourceVersion,
      'left out, as uid and all that a cluster adds: this is the manifest of a Job that exists',
    );
  checkOneRun(manifest.spec);
  return Object.freeze({
    manifest,
    prefix: prefixOf(manifest),
    agent,
    image,
    isOnHost: pod?.spec.hostNetwork === true,
  });
}

function readFile(path: string): unknown {
  try {
    return parse(readFileSync(path, 'utf8')) as unknown;
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw invalid('template', path, `the path of a file with one Job as YAML or JSON (${why})`);
  }
}

/** Rejects what would run an agent twice for one attempt, or take its log away: trying again is the store's part. */
function checkOneRun(spec: JobSpec): void {
  const only = (field: string, value: unknown, allowed: unknown): void => {
    if (value !== undefined && value !== allowed)
      throw invalid(
        `template.spec.${field}`,
        value,
        `left out, or ${allowed}: an attempt is one run of one pod, and the runner starts another attempt`,
      );
  };
  only('backoffLimit', spec.backoffLimit, 0);
  only('parallelism', spec.parallelism, 1);
  only('completions', spec.completions, 1);
  only('completionMode', spec.completionMode, 'NonIndexed');
  only('template.spec.restartPolicy', spec.template.spec.restartPolicy, 'Never');
  if (spec.selector !== undefined)
    throw invalid('template.spec.selector', 'one', 'left out: the cluster makes one for each Job');
  if (spec.podFailurePolicy !== undefined)
    throw invalid(
      'template.spec.podFailurePolicy',
      'one',
      'left out: it may start a second pod for one attempt, and the runner starts another attempt',
    );
  const { ttlSecondsAfterFinished: ttl } = spec;
  if (ttl !== undefined && !(ttl >= leastTtlSeconds))
    throw invalid(
      'template.spec.ttlSecondsAfterFinished',
      ttl,
      `at least ${leastTtlSeconds}: the log of a Job is read after its end`,
    );
}

function prefixOf({ metadata = {} }: Job): string {
  const prefix = metadata.name ?? metadata.generateName?.replace(/-+$/, '') ?? 'agent-lightning';
  if (prefix.length <= longestPrefix && /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?$/.test(prefix)) return prefix;
  throw invalid(
    'template.metadata.name',
    prefix,
    `at most ${longestPrefix} lower-case letters, digits and dashes: the names of the Jobs begin with it`,
  );
}

function invalid(name: string, value: unknown, expected: string): Error {
  return check.optionInvalid(`runJob: ${name}`, String(value), expected);
}
