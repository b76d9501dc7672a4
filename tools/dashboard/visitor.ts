import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { Browser, BrowserContext, Page } from 'playwright-core';

/** The ways in which each page is shown. */
export const shapes = [
  { theme: 'light', width: 1440 },
  { theme: 'dark', width: 1440 },
  { theme: 'light', width: 390 },
  { theme: 'dark', width: 390 },
] as const;

/** What was looked at, and what was wrong. */
export interface Tally {
  checked: number;
  readonly problems: string[];
}

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** Visits pages in a real browser, and keeps what went wrong and a picture of each. */
export class Visitor {
  readonly errors: string[] = [];
  readonly contrast: Tally = { checked: 0, problems: [] };
  readonly hostile: Tally = { checked: 0, problems: [] };
  pages = 0;
  readonly #browser: Browser;
  readonly #base: string;
  readonly #folder: string;

  constructor(browser: Browser, base: string, folder: string) {
    this.#browser = browser;
    this.#base = base;
    this.#folder = folder;
  }

  /** Opens a page of the dashboard by its path, or a file by its whole address, and waits until it shows what it was opened for. */
  async open(context: BrowserContext, path: string, ready: string): Promise<Page> {
    const page = await context.newPage();
    const where = (text: string): string => `${path}: ${text}`;
    const isFile = path.startsWith('file:');
    const address = isFile ? path : this.#base + path;
    page.on('console', (message) => {
      // Of a filter that is wrong, the browser itself notes that the server said so.
      const isAsked = path.includes('steps=many') && message.text().includes('status of 400');
      if (['error', 'warning'].includes(message.type()) && !isAsked) this.errors.push(where(message.text()));
    });
    page.on('pageerror', (error) => this.errors.push(where(String(error.stack))));
    page.on('requestfailed', (request) => {
      const reason = request.failure()?.errorText ?? '';
      // A page that is left ends its stream of events and what it still asked for.
      if (reason !== 'net::ERR_ABORTED') this.errors.push(where(`${request.url()} failed: ${reason}`));
    });
    page.on('request', (request) => {
      if (!request.url().startsWith(isFile ? address.split('#')[0]! : this.#base))
        this.hostile.problems.push(where(`asked for ${request.url()}`));
    });
    page.on('dialog', (dialog) => {
      this.hostile.problems.push(where(`opened a dialog: ${dialog.message()}`));
      void dialog.dismiss();
    });
    await page.goto(address);
    await page.locator(ready).first().waitFor({ timeout: 60_000 });
    this.pages += 1;
    return page;
  }

  async newContext({ theme, width }: (typeof shapes)[number]): Promise<BrowserContext> {
    return await this.#browser.newContext({ colorScheme: theme, viewport: { width, height: width < 500 ? 844 : 900 } });
  }

  /** Looks at one page in every shape: accessibility, hostile content, overflow, a picture. `then` goes on with the page. */
  async visit(name: string, path: string, ready: string, then: (page: Page) => Promise<void>): Promise<void> {
    const context = await this.newContext(shapes[0]);
    const page = await this.open(context, path, ready);
    await page.waitForFunction(() => document.fonts.status === 'loaded' && document.querySelector('.waiting') === null);
    for (const shape of shapes) {
      const where = `${name} ${shape.theme} ${shape.width}`;
      await page.emulateMedia({ colorScheme: shape.theme });
      await page.setViewportSize({ width: shape.width, height: shape.width < 500 ? 844 : 900 });
      await page
        .getByRole('button', { name: `Change to ${shape.theme === 'dark' ? 'light' : 'dark'} colours` })
        .waitFor();
      await page.evaluate(scrollThrough);
      await page.screenshot({
        path: join(this.#folder, `${where.replaceAll(/[^a-z0-9]+/gi, '-')}.png`),
        fullPage: true,
      });
      await this.#checkContrast(page, where);
      const tooWide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      if (tooWide > 0) this.errors.push(`${where}: the page is ${tooWide} pixels wider than its window`);
      if (shape.width >= 1_000 && (await page.evaluate(hasLoneFigure)))
        this.errors.push(`${where}: the last figure stands alone in its row`);
    }
    await this.#checkHostile(page, name);
    await page.setViewportSize({ width: shapes[0].width, height: 900 });
    await then(page);
    await context.close();
  }

  /** Checks by axe that texts can be read and that readers of the screen find their way. */
  async #checkContrast(page: Page, where: string): Promise<void> {
    this.contrast.checked += 1;
    await page.evaluate(axe); // the page's own policy does not hold for what the browser is told to evaluate
    const found = await page.evaluate(async () => {
      const { axe: loaded } = globalThis as unknown as { axe: { run(options: object): Promise<AxeResult> } };
      const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa'];
      const { violations } = await loaded.run({ runOnly: { type: 'tag', values: tags }, resultTypes: ['violations'] });
      return violations.flatMap(({ id, nodes }) =>
        nodes
          .slice(0, 5)
          .map(
            (node) => `${id}: ${node.html.slice(0, 160)} ${node.failureSummary.replaceAll('\n', ' ').slice(0, 260)}`,
          ),
      );
    });
    for (const problem of found) this.contrast.problems.push(`${where}: ${problem}`);
  }

  /** Checks that no content of the run became an element or ran. */
  async #checkHostile(page: Page, where: string): Promise<void> {
    this.hostile.checked += 1;
    const found = await page.evaluate(() => {
      const foreign = document.querySelectorAll(
        'img, iframe, object, embed, base, form[action], script:not([src], #snapshot, #snapshot + [type=module]), [onerror], [onload], [onclick], a[href^="javascript:" i]',
      );
      return { hit: 'hit' in globalThis, foreign: [...foreign].map((element) => element.outerHTML.slice(0, 120)) };
    });
    if (found.hit) this.hostile.problems.push(`${where}: content of the run was executed`);
    for (const html of found.foreign) this.hostile.problems.push(`${where}: content of the run became markup: ${html}`);
  }
}

/** Scrolls through the page, as a reader does: what comes near the window is drawn. */
async function scrollThrough(): Promise<void> {
  const nextFrame = async (): Promise<unknown> => await new Promise((done) => requestAnimationFrame(done));
  for (let top = 0; top < document.documentElement.scrollHeight; top += innerHeight / 2) {
    scrollTo(0, top);
    await nextFrame();
    await nextFrame();
  }
  scrollTo(0, 0);
  await nextFrame();
  await nextFrame();
}

/** Tells whether the last of several figures has a row for itself. */
function hasLoneFigure(): boolean {
  return [...document.querySelectorAll('.figures')].some(({ children }) => {
    const tops = [...children].map((figure) => figure.getBoundingClientRect().top);
    return tops.length > 1 && tops.filter((top) => top === tops.at(-1)).length === 1;
  });
}

interface AxeResult {
  readonly violations: readonly {
    readonly id: string;
    readonly nodes: readonly { readonly html: string; readonly failureSummary: string }[];
  }[];
}
