/** Returns the address of a part of a run in the routes, such as `/api/runs/a/metrics`. */
export function addressOf(run: string, ...parts: readonly string[]): string {
  return ['/api/runs', ...[run, ...parts].map((part) => encodeURIComponent(part))].join('/');
}
