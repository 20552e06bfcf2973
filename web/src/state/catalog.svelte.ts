// What the server has and understands: indexes, sources, the language. Read once, and again when it matters.
import { api, toApiError, type ApiError } from '../api/client';
import type { Health, IndexStat, Language, SourceStat } from '../api/types';
import { parseTime } from '../logic/time';

class Catalog {
  language = $state.raw<Language>({ commands: [], functions: [] });
  indexes = $state.raw<IndexStat[]>([]);
  sources = $state.raw<SourceStat[]>([]);
  health = $state.raw<Health | null>(null);
  error = $state.raw<ApiError | null>(null);
  loaded = $state(false);

  /** What a search without index= looks at: the server's own indexes begin with an underscore. */
  private get own(): IndexStat[] {
    return this.indexes.filter((item) => !item.index.startsWith('_'));
  }

  get events(): number {
    return this.own.reduce((sum, item) => sum + item.events, 0);
  }

  /** The newest event of all, in milliseconds. */
  get latest(): number | null {
    const times = this.own.map((item) => parseTime(item.latest)).filter((time) => time !== null);
    return times.length === 0 ? null : Math.max(...times);
  }

  get earliest(): number | null {
    const times = this.own.map((item) => parseTime(item.earliest)).filter((time) => time !== null);
    return times.length === 0 ? null : Math.min(...times);
  }

  async loadLanguage(): Promise<void> {
    try {
      this.language = await api.language();
    } catch {
      // Completion is a help, not a need: the page works without.
    }
  }

  async loadStat(): Promise<void> {
    try {
      this.indexes = await api.stat();
      this.error = null;
    } catch (error) {
      this.error = toApiError(error);
    }
    this.loaded = true;
  }

  async loadSources(): Promise<void> {
    try {
      [this.sources, this.health] = await Promise.all([api.sources(), api.health()]);
    } catch (error) {
      this.error = toApiError(error);
    }
  }
}

export const catalog = new Catalog();
