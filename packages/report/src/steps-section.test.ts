import type { MetricChart } from '@agent-lightning/core';
import { initialState, type StepMetrics } from '@agent-lightning/run';
import { describe, expect, it } from 'vitest';
import type { ReportData } from './report-data.ts';
import { failureTable } from './last-step-section.ts';
import { stepCharts } from './steps-section.ts';

const line = {
  step: 1,
  reward: { mean: 0.5, deviation: 0.1, count: 4, byKind: {} },
  rollouts: 4,
  succeeded: 3,
  failed: 1,
  failures: { 'agent-failed': 1 },
  untrainableCalls: 0,
  truncatedShare: 0,
  tokensSampled: 0,
  transitions: 0,
  wallSeconds: 2,
};

function dataOf(own: readonly object[], charts: readonly MetricChart[] = [], hasPolicy = false): ReportData {
  return {
    runDirectory: 'runs/a',
    outcome: 'completed',
    findings: [],
    createdAt: new Date(0),
    config: {},
    hasPolicy,
    state: initialState,
    metrics: own.map((figures, index) => ({ ...line, step: index + 1, ...figures }) as unknown as StepMetrics),
    charts,
    validationAfter: undefined,
    spend: undefined,
    comparisons: [],
    excerpts: [],
    lastStep: undefined,
  };
}

function titlesOf(data: ReportData): readonly string[] {
  return [...stepCharts(data)!.text.matchAll(/<h3>(.*?)<\/h3>/g)].map(([, title]) => title!);
}

function columnsOf(data: ReportData): readonly string[] {
  return [...stepCharts(data)!.text.matchAll(/<th class="n">(.*?)<\/th>/g)].map(([, name]) => name!);
}

describe('the charts of a run', () => {
  it('are none before a step is done', () => {
    expect(stepCharts(dataOf([]))).toBeUndefined();
  });

  it('leave model calls out where no policy answered any', () => {
    expect(titlesOf(dataOf([{}]))).toEqual(['standard deviation of the reward', 'failed rollouts']);
    expect(titlesOf(dataOf([{}], [], true))).toContain('tokens sampled in a step');
    expect(columnsOf(dataOf([{}]))).not.toContain('calls');
    expect(columnsOf(dataOf([{}], [], true))).toContain('calls');
  });

  it('have those of the algorithm last, and its figures in the table', () => {
    const charts = [{ title: 'best & only', lines: [['best', 'bestReward']] }] satisfies readonly MetricChart[];
    const data = dataOf([{ bestReward: 0.25 }, { bestReward: 0.75 }], charts);
    expect(titlesOf(data).at(-1)).toBe('best &amp; only');
    expect(columnsOf(data)).toEqual(['step', 'reward', 'succeeded', 'failed', 'seconds', 'bestReward']);
    expect(stepCharts(data)!.text).toContain('<td class="n">0.75</td>');
  });

  it('draw a line for each key, and name it', () => {
    const charts = [{ title: 'by candidate', lines: [['candidate', 'reward_.*']] }] satisfies readonly MetricChart[];
    const { text } = stepCharts(dataOf([{ reward_: { first: 1 } }, { reward_: { first: 0, second: 1 } }], charts))!;
    const chart = text.slice(text.indexOf('by candidate'));
    expect([...chart.matchAll(/<\/i>(\w+)<\/li>/g)].map(([, name]) => name)).toEqual(['first', 'second']);
  });

  it('are left out where no step has their figures', () => {
    const charts = [{ title: 'nothing', lines: [['none', 'none']] }] satisfies readonly MetricChart[];
    expect(titlesOf(dataOf([{}], charts))).not.toContain('nothing');
    expect(columnsOf(dataOf([{}], charts))).not.toContain('none');
  });
});

describe('the table of failures', () => {
  it('adds up over the steps, the most frequent first', () => {
    const { text } = failureTable(dataOf([{}, { failures: { 'timed-out': 3, 'agent-failed': 1 } }]))!;
    expect([...text.matchAll(/<td>(.*?)<\/td><td class="n">(\d+)</g)].map(([, code, count]) => [code, count])).toEqual([
      ['timed-out', '3'],
      ['agent-failed', '2'],
    ]);
    expect(text).toContain('37.5 %');
  });

  it('is none where nothing failed', () => {
    expect(failureTable(dataOf([{ failures: {} }]))).toBeUndefined();
  });
});
