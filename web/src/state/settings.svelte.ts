// What a reader chose for this browser. Never anything that belongs in a link.
import { readHistory, remember } from '../logic/history';

export type Theme = 'system' | 'dark' | 'light';

function read(key: string): string | null {
  try {
    return localStorage.getItem(`taffrail.${key}`);
  } catch {
    return null;
  }
}

function write(key: string, value: string | null): void {
  try {
    if (value === null) localStorage.removeItem(`taffrail.${key}`);
    else localStorage.setItem(`taffrail.${key}`, value);
  } catch {
    // Storage may be full or blocked; the choice then lasts as long as the page.
  }
}

class Settings {
  theme = $state<Theme>(read('theme') === 'dark' ? 'dark' : read('theme') === 'light' ? 'light' : 'system');
  history = $state.raw<string[]>(readHistory(read('history')));
  fieldsOpen = $state(read('fields') !== 'closed');

  setTheme(theme: Theme): void {
    this.theme = theme;
    write('theme', theme === 'system' ? null : theme);
    if (theme === 'system') delete document.documentElement.dataset['theme'];
    else document.documentElement.dataset['theme'] = theme;
  }

  /** Dark to light and back, from what is on screen now. */
  toggleTheme(): void {
    const dark = this.theme === 'dark' || (this.theme === 'system' && matchMedia('(prefers-color-scheme: dark)').matches);
    this.setTheme(dark ? 'light' : 'dark');
  }

  addHistory(query: string): void {
    this.history = remember(this.history, query);
    write('history', JSON.stringify(this.history));
  }

  setFieldsOpen(open: boolean): void {
    this.fieldsOpen = open;
    write('fields', open ? null : 'closed');
  }
}

export const settings = new Settings();
