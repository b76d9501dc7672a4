import type { JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import type { RunDetails } from '../../src/api.ts';
import { promptSearches } from '../../src/prompts/prompt-searches.ts';
import { changes, isConnected, listen, useResource } from './fetch.ts';
import { AlertsPage } from './pages/alerts-page.tsx';
import { GroupPage } from './pages/group-page.tsx';
import { GroupsPage } from './pages/groups-page.tsx';
import { LivePage } from './pages/live-page.tsx';
import { PromptsPage } from './pages/prompts-page.tsx';
import { RolloutPage } from './pages/rollout-page.tsx';
import { RolloutsPage } from './pages/rollouts-page.tsx';
import { RunPage } from './pages/run-page.tsx';
import { SamplesPage } from './pages/samples-page.tsx';
import { RunsPage } from './pages/runs-page.tsx';
import { StateBadge } from './parts/badges.tsx';
import { Problem, Waiting } from './parts/messages.tsx';
import { Link, pageOf, place } from './router.tsx';
import { formatMoment } from './format.ts';
import { snapshot } from './snapshot/snapshot.ts';
import { theme, toggleTheme } from './theme.ts';

/** The whole page: the header, and what the address names. */
export function App(): JSX.Element {
  const [section, run] = place.value.path;
  const shownRun = section === 'runs' ? run : undefined;
  useEffect(() => listen(shownRun), [shownRun]);
  const title = place.value.path.toReversed().join(' · ');
  useEffect(() => {
    document.title = title === '' ? 'Agent Lightning' : `${title} · Agent Lightning`;
  }, [title]);
  return (
    <>
      <a class="skip" href="#main" onClick={skipToContent}>
        Skip to the content
      </a>
      {shownRun === undefined ? <PlainPage /> : <RunFrame run={shownRun} key={shownRun} />}
    </>
  );
}

/** Goes to the content without a new address: in a file the address after the `#` is the page. */
function skipToContent(event: Event): void {
  event.preventDefault();
  document.getElementById('main')?.focus();
}

function PlainPage(): JSX.Element {
  const isHome = place.value.path.length === 0;
  return (
    <>
      <Header />
      <main id="main" tabIndex={-1}>
        {isHome ? (
          <RunsPage />
        ) : (
          <Problem title="There is no such page" text={`/${place.value.path.join('/')} is no page of the dashboard.`} />
        )}
      </main>
    </>
  );
}

function RunFrame({ run }: { readonly run: string }): JSX.Element {
  const { data, error } = useResource<RunDetails>(`/api/runs/${encodeURIComponent(run)}`, changes.run.value);
  return (
    <>
      <Header run={run} details={data} />
      <main id="main" tabIndex={-1}>
        {error !== undefined ? (
          <Problem title="This run cannot be shown" text={error} />
        ) : data === undefined ? (
          <Waiting />
        ) : (
          <RunPages details={data} />
        )}
      </main>
    </>
  );
}

function RunPages({ details }: { readonly details: RunDetails }): JSX.Element {
  const [, , page, id] = place.value.path;
  if (page === undefined) return <RunPage details={details} />;
  if (page === 'alerts' && id === undefined) return <AlertsPage details={details} />;
  if (page === 'prompts' && id === undefined) return <PromptsPage details={details} />;
  if (page === 'rollouts' || page === 'groups' || page === 'samples' || page === 'live') {
    if (!details.hasStore) return <Problem title="The rollouts are elsewhere" text={noStore(details)} />;
    if (page === 'live' && id === undefined) return <LivePage details={details} />;
    if (page === 'samples' && id === undefined) return <SamplesPage details={details} />;
    if (page === 'rollouts')
      return id === undefined ? <RolloutsPage details={details} /> : <RolloutPage details={details} id={id} key={id} />;
    if (page === 'groups')
      return id === undefined ? <GroupsPage details={details} /> : <GroupPage details={details} id={id} key={id} />;
  }
  return <Problem title="There is no such page" text={`A run has no page "${page}".`} />;
}

function noStore({ directory }: RunDetails): string {
  return `${directory} has no store.sqlite: the run keeps its rollouts in a store of its own. Name it, too: agent-lightning dashboard ${directory} --store postgres://…`;
}

function Header({ run, details }: { readonly run?: string; readonly details?: RunDetails | undefined }): JSX.Element {
  const [, , page = ''] = place.value.path;
  const isSearch = promptSearches.includes(details?.config['algorithm.name']);
  const alerts = details?.findings.length ?? 0;
  const tabs = useRef<HTMLElement>(null);
  useEffect(() => {
    // On a narrow screen, the tab of the page that is shown may be beyond the edge. `scrollIntoView` would let Tab begin there.
    const current = tabs.current?.querySelector<HTMLElement>('[aria-current]');
    if (current && tabs.current)
      tabs.current.scrollLeft = Math.max(0, current.offsetLeft + current.offsetWidth - tabs.current.clientWidth);
  }, [page]);
  const pages: readonly (readonly [page: string, name: string])[] = [
    ['', 'Overview'],
    ['rollouts', 'Rollouts'],
    ['groups', 'Groups'],
    ...(isSearch ? ([['prompts', 'Prompts']] as const) : ([['samples', 'Samples']] as const)),
    // A file shows no moment but its own.
    ...(snapshot === undefined ? ([['live', 'Live']] as const) : []),
    ['alerts', alerts === 0 ? 'Alerts' : `Alerts (${alerts})`],
  ];
  return (
    <header class="top">
      <div class="bar">
        <Link to="/" class="brand">
          <svg viewBox="0 0 32 32" width="22" height="22" aria-hidden="true">
            <path d="M18.5 4 8 18h6.5L12 28l12-15h-7z" fill="currentColor" />
          </svg>
          <span class="words">Agent Lightning</span>
        </Link>
        {run === undefined ? undefined : (
          <span class="crumb">
            <span aria-hidden="true">/</span> <span class="name">{run}</span>
            {details === undefined ? undefined : <StateBadge run={details} />}
          </span>
        )}
        <span class="space" />
        {snapshot === undefined ? undefined : (
          <span class="badge as-of" title="npx agent-lightning dashboard shows the run itself">
            as of {formatMoment(snapshot.madeAt)}
          </span>
        )}
        {isConnected.value ? undefined : (
          <span class="badge bad" role="status">
            not connected
          </span>
        )}
        <button
          type="button"
          class="quiet"
          onClick={toggleTheme}
          aria-label={`Change to ${theme.value === 'dark' ? 'light' : 'dark'} colours`}
        >
          {theme.value === 'dark' ? 'Light' : 'Dark'}
        </button>
      </div>
      {run === undefined ? undefined : (
        <nav class="tabs" aria-label="Pages of the run" ref={tabs}>
          {pages.map(([name, label]) => (
            <Link
              key={name}
              to={pageOf(['runs', run, ...(name === '' ? [] : [name])])}
              aria-current={page === name ? 'page' : undefined}
            >
              {label}
            </Link>
          ))}
        </nav>
      )}
    </header>
  );
}
