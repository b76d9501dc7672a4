import type { ComponentChildren, JSX } from 'preact';
import { Link } from '../router.tsx';

/** A number with its name; a link to its evidence where there is some. */
export function Figure({
  name,
  to,
  children,
}: {
  readonly name: string;
  readonly to?: string | undefined;
  readonly children: ComponentChildren;
}): JSX.Element {
  const inner = (
    <>
      <span class="value">{children}</span>
      <span class="name">{name}</span>
    </>
  );
  return to === undefined ? (
    <div class="figure">{inner}</div>
  ) : (
    <Link to={to} class="figure">
      {inner}
    </Link>
  );
}
