import { signal } from '@preact/signals';

export type Theme = 'light' | 'dark';

const dark = matchMedia('(prefers-color-scheme: dark)');

/** The theme that is shown: the reader's choice, else that of the system. */
export const theme = signal<Theme>(readTheme());

function readTheme(): Theme {
  const chosen = readChoice();
  return chosen === 'light' || chosen === 'dark' ? chosen : dark.matches ? 'dark' : 'light';
}

/** Reads what the reader chose before; a file that is shown in a frame may have no storage. */
function readChoice(): string | null {
  try {
    return localStorage.getItem('theme');
  } catch {
    return null;
  }
}

function keepChoice(next: Theme): void {
  try {
    localStorage.setItem('theme', next);
  } catch {
    return; // it holds for this page only
  }
}

function show(next: Theme): void {
  theme.value = next;
  document.documentElement.dataset['theme'] = next;
}

export function toggleTheme(): void {
  const next = theme.value === 'dark' ? 'light' : 'dark';
  keepChoice(next);
  show(next);
}

dark.addEventListener('change', () => show(readTheme()));
show(theme.value);
