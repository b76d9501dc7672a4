import { execFileSync } from 'node:child_process';
import { chromium, type Browser } from 'playwright-core';

/** Opens the Chromium of this machine, without a window. @throws TypeError where there is none */
export async function openChromium(): Promise<Browser> {
  // As root, as in a container, Chromium has no sandbox of its own.
  const args = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
  return await chromium.launch({ executablePath: findChromium(), args });
}

function findChromium(): string {
  const named = process.env['CHROMIUM_PATH'];
  if (named !== undefined && named !== '') return named;
  for (const name of ['chromium', 'chromium-browser', 'google-chrome']) {
    try {
      return execFileSync('which', [name], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
    } catch {
      continue; // the next name
    }
  }
  throw new TypeError(
    'there is no Chromium on the path; install it (Debian: apt-get install chromium), or name it by CHROMIUM_PATH',
  );
}
