import { signal } from '@preact/signals';

export type Theme = 'light' | 'dark';

const dark = matchMedia('(prefers-color-scheme: dark)');

/** The theme that is shown: the reader's choice, else that of the system. */
export const theme = signal<Theme>(readTheme());

function readTheme(): Theme {
  const chosen = localStorage.getItem('theme');
  return chosen === 'light' || chosen === 'dark' ? chosen : dark.matches ? 'dark' : 'light';
}

function show(next: Theme): void {
  theme.value = next;
  document.documentElement.dataset['theme'] = next;
}

export function toggleTheme(): void {
  const next = theme.value === 'dark' ? 'light' : 'dark';
  localStorage.setItem('theme', next);
  show(next);
}

dark.addEventListener('change', () => show(readTheme()));
show(theme.value);
