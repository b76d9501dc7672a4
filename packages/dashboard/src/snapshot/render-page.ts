import { createHash } from 'node:crypto';
import { ConfigurationError } from '@agent-lightning/core';
import type { RunDetails, Snapshot } from '../api.ts';
import { readApp, type StaticFile } from '../http/static-files.ts';
import { toData, unsafe } from './to-data.ts';

/** Renders a snapshot as one page that loads nothing: the app of the dashboard, its style, and the replies that it shows. */
export function renderPage(snapshot: Snapshot, details: RunDetails): string {
  const app = readApp();
  const index = textOf(app, '/index.html');
  const script = inScript(textOf(app, findPath(index, /<script type="module"[^>]* src="([^"]+)"/)));
  const style = textOf(app, findPath(index, /<link rel="stylesheet"[^>]* href="([^"]+)"/));
  const policy = `default-src 'none'; script-src '${hashOf(script)}'; style-src '${hashOf(style)}'; base-uri 'none'; form-action 'none'`;
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="color-scheme" content="light dark"><title>${escape(snapshot.run)} · Agent Lightning</title>
<style>${style}</style></head>
<body><div id="app"></div><noscript>${escape(describePlainly(details))} This page shows it with JavaScript.</noscript>
<script type="application/json" id="snapshot">${toData(snapshot)}</script>
<script type="module">${script}</script></body></html>
`;
}

/** Says in a few words how the run went, for a reader that runs no script. */
function describePlainly({ id, outcome = 'not ended', steps, rollouts, failed, verdict }: RunDetails): string {
  const said = verdict === undefined ? '' : ` Verdict: ${verdict.sentence}.`;
  return `${id}: ${outcome} after ${steps} steps; ${rollouts} training rollouts, ${failed} failed.${said}`;
}

/** Writes code so that it ends no element; within code, this sequence can only be in a text or a pattern. */
function inScript(code: string): string {
  return code.replaceAll(/<(\/script|!--)/gi, String.raw`\x3c$1`);
}

function findPath(index: string, pattern: RegExp): string {
  const [, path] = pattern.exec(index) ?? [];
  if (path === undefined)
    throw new ConfigurationError(
      'the pages of the dashboard are built in a way that this version cannot put into one file',
      {
        code: 'option-invalid',
      },
    );
  return path;
}

function textOf(app: ReadonlyMap<string, StaticFile>, path: string): string {
  return app.get(path)?.body.toString('utf8') ?? '';
}

function hashOf(text: string): string {
  return `sha256-${createHash('sha256').update(text).digest('base64')}`;
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function escape(text: string): string {
  return text
    .replaceAll(unsafe, '\uFFFD')
    .replaceAll(/[\u0000-\u0008\u000B-\u001F]/g, '\uFFFD') // oxlint-disable-line no-control-regex -- as above
    .replaceAll(/[&<>"']/g, (character) => entities[character]!);
}
