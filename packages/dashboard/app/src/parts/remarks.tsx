import type { JSX } from 'preact';

/** Shows sentences about where figures come from, and why some are not known. */
export function Remarks({ remarks }: { readonly remarks: readonly string[] }): JSX.Element {
  return (
    <>
      {remarks.map((remark) => (
        <p class="hint" key={remark}>
          {remark}
        </p>
      ))}
    </>
  );
}
