/** Returns an upstream's address as errors, spans and logs may show it: without credentials and query. */
export function shownUrl(address: URL | string): string {
  const url = new URL(address);
  return `${url.protocol}//${url.host}${url.pathname}`;
}
