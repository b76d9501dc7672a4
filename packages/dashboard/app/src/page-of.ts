/** Makes the address of a page of a run, such as `/runs/a/rollouts?steps=3`. Empty fields are left out. */
export function pageOf(
  parts: readonly string[],
  query: Readonly<Record<string, string | number | undefined>> = {},
): string {
  const fields = Object.entries(query).filter(([, value]) => value !== undefined && value !== '');
  const text = new URLSearchParams(fields.map(([name, value]): [string, string] => [name, String(value)])).toString();
  return `/${parts.map((part) => encodeURIComponent(part)).join('/')}${text === '' ? '' : `?${text}`}`;
}
