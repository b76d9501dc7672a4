import type { ComponentChildren, JSX } from 'preact';

/** Says what cannot be shown, and why. */
export function Problem({ title, text }: { readonly title: string; readonly text: string }): JSX.Element {
  return (
    <section class="card problem" role="alert">
      <h1>{title}</h1>
      <p>{text}</p>
    </section>
  );
}

/** Stands where something is being read. */
export function Waiting(): JSX.Element {
  return (
    <p class="waiting" role="status">
      Reading…
    </p>
  );
}

/** Says that there is nothing, and what would have to be for something to be there. */
export function Empty({ children }: { readonly children: ComponentChildren }): JSX.Element {
  return <p class="empty">{children}</p>;
}
