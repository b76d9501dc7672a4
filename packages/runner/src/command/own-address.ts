import { isLoopback } from '@agent-lightning/platform';

/** Tells whether a URL's host name leads to whichever machine uses it: its loopback, or the address that stands for none. */
export function isOwnAddress(host: string): boolean {
  return isLoopback(host) || host.endsWith('.localhost') || host === '[::]' || host === '0.0.0.0';
}
