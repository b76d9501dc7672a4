import { signal } from '@preact/signals';
import type { ComponentChildren, JSX } from 'preact';
import { pageOf } from './page-of.ts';

export { pageOf } from './page-of.ts';
import { snapshot } from './snapshot/snapshot.ts';

/** The address of the page that is shown. */
export const place = signal(readPlace());

export interface Place {
  readonly path: readonly string[];
  readonly query: URLSearchParams;
}

/** The address of a page: in a file it stands behind the `#`, since the file has one path. */
function readPlace(): Place {
  const address = snapshot === undefined ? location.pathname + location.search : readHash(snapshot.run);
  const [path = '', query = ''] = address.split(/\?(.*)/s);
  const parts = path.split('/').filter((part) => part !== '');
  return { path: parts.map(decodePart), query: new URLSearchParams(query) };
}

/** Returns the page that the address of a file names; without one it is the overview of its run. */
function readHash(run: string): string {
  return location.hash.length > 1 ? location.hash.slice(1) : `/runs/${encodeURIComponent(run)}`;
}

/** Returns what a link to a page points to. */
function toHref(to: string): string {
  return snapshot === undefined ? to : `#${to}`;
}

/** Decodes a part of a path; one that is no valid encoding stays as it is, and names nothing. */
function decodePart(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** Shows another page. `replace` keeps the history as it is, for filters that change with each key. */
export function navigate(href: string, { replace = false }: { readonly replace?: boolean } = {}): void {
  if (replace) history.replaceState(null, '', toHref(href));
  else history.pushState(null, '', toHref(href));
  const before = place.value.path.join('/');
  place.value = readPlace();
  if (place.value.path.join('/') === before) return;
  scrollTo(0, 0);
  // A reader of the screen is told of the new page, and the keyboard begins at its top.
  document.querySelector<HTMLElement>('main')?.focus({ preventScroll: true });
}

addEventListener('popstate', () => (place.value = readPlace()));
if (snapshot !== undefined) addEventListener('hashchange', () => (place.value = readPlace()));

/** Changes fields of the query of the page that is shown. */
export function setQuery(changes: Readonly<Record<string, string>>): void {
  const query = Object.fromEntries(place.value.query);
  navigate(pageOf(place.value.path, { ...query, ...changes }), { replace: true });
}

interface LinkProps {
  readonly to: string;
  readonly children: ComponentChildren;
  readonly class?: string;
  readonly title?: string;
  readonly tabIndex?: number;
  readonly 'aria-current'?: 'page' | undefined;
}

/** A link to another page of the app; with a modifier it opens as every link does. */
export function Link({ to, children, ...rest }: LinkProps): JSX.Element {
  const open = (event: MouseEvent): void => {
    if (
      event.defaultPrevented ||
      event.button !== 0 ||
      event.metaKey ||
      event.ctrlKey ||
      event.shiftKey ||
      event.altKey
    )
      return;
    event.preventDefault();
    navigate(to);
  };
  return (
    <a {...rest} href={toHref(to)} onClick={open}>
      {children}
    </a>
  );
}
