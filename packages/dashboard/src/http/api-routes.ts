import { isId } from '@agent-lightning/store';
import type { GroupPage, MetricsPage, RolloutPage, RunExamples, RunList } from '../api.ts';
import { readExamples } from '../examples/read-examples.ts';
import { readPrompts } from '../prompts/read-prompts.ts';
import { readGroup } from '../rollouts/read-group.ts';
import { readRollout } from '../rollouts/read-rollout.ts';
import { readTokens } from '../rollouts/read-tokens.ts';
import { readKeptSteps } from '../rollouts/token-texts.ts';
import { newestStep, openTokenContext } from '../runs/open-token-context.ts';
import type { RunShelf } from '../runs/run-shelf.ts';
import { readRolloutTree, readStepSamples } from '../samples/read-samples.ts';
import { groupFields, listRollouts, pageGroups, rolloutFields } from './list-fields.ts';
import { liveRoutes } from './live-routes.ts';
import { noteRoutes } from './note-routes.ts';
import { wholeNumber } from './query-fields.ts';
import { route, type Route } from './route.ts';

/** Makes the routes that answer with JSON. */
export function createRoutes(shelf: RunShelf): readonly Route[] {
  return [
    ...runRoutes(shelf),
    ...rolloutRoutes(shelf),
    ...groupRoutes(shelf),
    ...sampleRoutes(shelf),
    ...noteRoutes(shelf),
    ...liveRoutes(shelf),
  ];
}

function runRoutes(shelf: RunShelf): readonly Route[] {
  return [
    route('/api/runs', {}, async (): Promise<RunList> => ({ source: shelf.title, runs: await shelf.list() })),
    route('/api/runs/:run', {}, async ({ run }) => await shelf.describe(run!)),
    route('/api/runs/:run/prompts', {}, async ({ run }) => {
      const files = await shelf.files(run!);
      return files && (await readPrompts(files));
    }),
    route(
      '/api/runs/:run/metrics',
      { after: wholeNumber(0, 1e9, 0), limit: wholeNumber(1, 2_000, 500) },
      async ({ run }, { after, limit }): Promise<MetricsPage | undefined> => {
        const files = await shelf.files(run!);
        if (files === undefined) return undefined;
        const later = (await files.metrics()).filter(({ step }) => step > after);
        const lines = later.slice(0, limit);
        return { lines, ...(later.length > limit && { next: lines.at(-1)!.step }) };
      },
    ),
  ];
}

function rolloutRoutes(shelf: RunShelf): readonly Route[] {
  return [
    route('/api/runs/:run/rollouts', rolloutFields, async ({ run }, filter): Promise<RolloutPage | undefined> => {
      const rollouts = await shelf.rollouts(run!);
      if (rollouts === undefined) return undefined;
      await rollouts.index.whenBegun();
      const notes = await (await shelf.files(run!))?.notes.read();
      return { ...listRollouts(rollouts.index.entries(), filter, notes), isComplete: rollouts.index.isComplete };
    }),
    route('/api/runs/:run/examples', {}, async ({ run }): Promise<RunExamples | undefined> => {
      const rollouts = await shelf.rollouts(run!);
      if (rollouts === undefined) return undefined;
      const directory = (await shelf.files(run!))?.directory;
      await rollouts.index.whenComplete(); // the first validation is what was read last
      return await readExamples(
        rollouts.store,
        rollouts.index.entries(),
        directory === undefined ? [] : await readKeptSteps(directory),
      );
    }),
    route('/api/runs/:run/rollouts/:rollout', {}, async ({ run, rollout }) => {
      const rollouts = await shelf.rollouts(run!);
      const details =
        rollouts === undefined || !isId(rollout!) ? undefined : await readRollout(rollouts.store, rollout!);
      const note = (await (await shelf.files(run!))?.notes.read())?.get(rollout!);
      return details && { ...details, ...(note !== undefined && { note }) };
    }),
    route('/api/runs/:run/rollouts/:rollout/tokens', {}, async ({ run, rollout }) => {
      const context = isId(rollout!) ? await openTokenContext(shelf, run!) : undefined;
      return context && (await readTokens(context, rollout!));
    }),
  ];
}

function groupRoutes(shelf: RunShelf): readonly Route[] {
  return [
    route('/api/runs/:run/groups', groupFields, async ({ run }, filter): Promise<GroupPage | undefined> => {
      const rollouts = await shelf.rollouts(run!);
      if (rollouts === undefined) return undefined;
      await rollouts.index.whenBegun();
      const lines = (await (await shelf.files(run!))?.metrics()) ?? [];
      const failureRewards = new Map(lines.map(({ step, failureReward }) => [step, failureReward]));
      return {
        ...pageGroups(rollouts.index.entries(), failureRewards, filter),
        isComplete: rollouts.index.isComplete,
      };
    }),
    route('/api/runs/:run/groups/:group', {}, async ({ run, group }) => {
      const rollouts = await shelf.rollouts(run!);
      return rollouts === undefined || !isId(group!) ? undefined : await readGroup(rollouts.store, group!);
    }),
  ];
}

function sampleRoutes(shelf: RunShelf): readonly Route[] {
  return [
    route('/api/runs/:run/samples', { step: wholeNumber(1, 1e9, 0) }, async ({ run }, { step }) => {
      const context = await openTokenContext(shelf, run!);
      return context && (await readStepSamples(context, step === 0 ? newestStep(context) : step));
    }),
    route('/api/runs/:run/rollouts/:rollout/samples', {}, async ({ run, rollout }) => {
      const context = isId(rollout!) ? await openTokenContext(shelf, run!) : undefined;
      return context && (await readRolloutTree(context, rollout!));
    }),
  ];
}
