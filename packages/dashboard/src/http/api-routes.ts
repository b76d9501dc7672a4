import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { MetricsPage, RolloutPage, RunExamples, GroupPage, RunList } from '../api.ts';
import { readExamples } from '../examples/read-examples.ts';
import { readGroup } from '../rollouts/read-group.ts';
import { readRollout } from '../rollouts/read-rollout.ts';
import { readTokens } from '../rollouts/read-tokens.ts';
import { findTokenTexts, readExcerpts, readKeptSteps, type TokenTexts } from '../rollouts/token-texts.ts';
import type { RunShelf } from '../runs/run-shelf.ts';
import { groupFields, listRollouts, pageGroups, rolloutFields } from './list-fields.ts';
import { wholeNumber } from './query-fields.ts';
import { route, type Route } from './route.ts';

/** Makes the routes that answer with JSON. */
export function createRoutes(shelf: RunShelf): readonly Route[] {
  return [...runRoutes(shelf), ...rolloutRoutes(shelf), ...groupRoutes(shelf)];
}

function runRoutes(shelf: RunShelf): readonly Route[] {
  return [
    route('/api/runs', {}, async (): Promise<RunList> => ({ source: shelf.title, runs: await shelf.list() })),
    route('/api/runs/:run', {}, async ({ run }) => await shelf.describe(run!)),
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
      return { ...listRollouts(rollouts.index.entries(), filter), isComplete: rollouts.index.isComplete };
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
      return rollouts === undefined || !isId(rollout!) ? undefined : await readRollout(rollouts.store, rollout!);
    }),
    route('/api/runs/:run/rollouts/:rollout/tokens', {}, async ({ run, rollout }) => {
      const rollouts = await shelf.rollouts(run!);
      if (rollouts === undefined || !isId(rollout!)) return undefined;
      const files = await shelf.files(run!);
      const directory = files?.directory;
      await rollouts.index.whenComplete(); // the advantages need every rollout of the step
      const none: TokenTexts = { source: 'none', of: (tokens) => Array.from(tokens, String) };
      return await readTokens(
        {
          store: rollouts.store,
          config: (await files?.record())?.config,
          metrics: (await files?.metrics()) ?? [],
          excerpts: directory === undefined ? [] : await readExcerpts(directory),
          texts: directory === undefined ? none : await textsOf(directory),
          idsOfStep: (step) =>
            rollouts.index
              .entries()
              .flatMap((entry) => (entry.step === step && entry.mode === 'train' ? [entry.id] : [])),
        },
        rollout!,
      );
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

/** Tells whether a text can be the id of a rollout or a group; a store rejects others. */
function isId(text: string): boolean {
  return /^[A-Za-z0-9._:-]{1,200}$/.test(text);
}

/** The most tokenizers in memory; the one that was read first is forgotten first. */
const mostTokenizers = 4;
const tokenizers = new Map<string, { readonly mark: string; readonly texts: TokenTexts }>();

/** Finds the texts of a run's tokens; a tokenizer is read once for each state of its file, and looked for again while the run has none. */
async function textsOf(directory: string): Promise<TokenTexts> {
  const file = await stat(join(directory, 'model', 'tokenizer.json')).catch(() => undefined); // there is none yet
  const mark = file === undefined ? '' : `${file.ino} ${file.size} ${file.mtimeMs}`;
  const known = tokenizers.get(directory);
  if (known?.mark === mark) return known.texts;
  tokenizers.delete(directory);
  const texts = await findTokenTexts(directory);
  if (texts.source === 'tokenizer') tokenizers.set(directory, { mark, texts });
  for (const oldest of [...tokenizers.keys()].slice(0, -mostTokenizers)) tokenizers.delete(oldest);
  return texts;
}
