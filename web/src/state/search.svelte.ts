// One search and everything known about it: rows, timeline, fields, patterns, progress. Started by a change of the address.
import { api, ApiError, isCancelled, search as runSearch, toApiError, type Range } from '../api/client';
import type { Done, FieldInfo, FieldSummary, PatternSummary, Progress, Row, SearchMessage, Timeline } from '../api/types';
import { eventsBehind, isTransforming } from '../logic/query';
import { boundsOf } from '../logic/relative';

/** Rows of events to fetch first; more come when the list is scrolled to its end. */
export const FIRST_ROWS = 2000;
/** Beyond this many rows a browser gets slow and nobody scrolls; the list says so. */
export const MOST_ROWS = 100_000;
const TABLE_ROWS = 50_000;
const BUCKETS = 160;

export interface Notice {
  severity: 'info' | 'warn' | 'error';
  text: string;
}

class Search {
  /** The query of the rows on screen; it changes when the first answer comes, not when it is asked. */
  query = $state('');
  /** Grows with each new result. */
  serial = $state(0);
  /** Asked, and nothing has come yet: what is on screen is of the query before. */
  stale = $state(false);
  /** Not reactive by itself: read it together with `version`. */
  rows: Row[] = [];
  /** Grows with every change of `rows`. */
  version = $state(0);
  count = $state(0);
  kind = $state<'events' | 'table'>('events');
  fields = $state.raw<FieldInfo[]>([]);
  preview = $state(false);
  running = $state(false);
  /** Running for long enough that it should be seen. */
  slow = $state(false);
  more = $state(false);
  progress = $state.raw<Progress | null>(null);
  done = $state.raw<Done | null>(null);
  stopped = $state(false);
  error = $state.raw<ApiError | null>(null);
  notices = $state.raw<Notice[]>([]);
  timeline = $state.raw<Timeline | null>(null);
  summary = $state.raw<FieldSummary | null>(null);
  summaryLoading = $state(false);
  patterns = $state.raw<PatternSummary | null>(null);
  patternsError = $state.raw<ApiError | null>(null);
  /** The range as the server resolved it when the search began. */
  resolved = $state.raw<{ earliest: string | null; latest: string | null }>({ earliest: null, latest: null });
  /** Whether `timeline` belongs to the query that was asked last. */
  timelineFresh = $state(false);
  private asked = '';
  private range: Range = { query: '' };
  private abort = new AbortController();
  private limit = FIRST_ROWS;
  private patternsWanted = false;
  private patternsFor: Range | null = null;

  /** Starts anew. What is on screen stays until the first answer, so that nothing flickers. */
  start(query: string, from: string | null, to: string | null): void {
    this.abort.abort();
    this.abort = new AbortController();
    const range: Range = { query: query.trim() || '*', ...boundsOf(from, to) };
    this.range = range;
    this.asked = query;
    this.timelineFresh = false;
    this.stale = true;
    this.limit = FIRST_ROWS;
    this.stopped = false;
    this.error = null;
    this.notices = [];
    this.done = null;
    this.progress = null;
    this.patterns = null;
    this.patternsFor = null;
    void this.read(this.abort.signal, 0);
  }

  /** Ends the running search; what has arrived stays. */
  stop(): void {
    if (!this.running) return;
    this.abort.abort();
    this.stopped = true;
    this.running = false;
    this.slow = false;
    this.more = false;
  }

  get hasMore(): boolean {
    return this.kind === 'events' && !this.running && this.done !== null && this.count >= this.limit && this.limit < MOST_ROWS;
  }

  /** Fetches more rows of the same result; those on screen keep their place. */
  readMore(): void {
    if (!this.hasMore || this.more) return;
    this.limit = Math.min(MOST_ROWS, this.limit * 5);
    this.more = true;
    void this.read(this.abort.signal, this.count);
  }

  wantPatterns(): void {
    this.patternsWanted = true;
    if (this.patternsFor === this.range) return;
    this.patternsFor = this.range;
    void this.readPatterns(this.range, this.abort.signal);
  }

  private async read(signal: AbortSignal, have: number): Promise<void> {
    this.running = true;
    const timer = setTimeout(() => (this.slow = !signal.aborted), 200);
    const sink = new RowSink(this, signal, have);
    const table = isTransforming(this.range.query);
    try {
      const range = have > 0 ? this.fixedRange() : this.range;
      for await (const message of runSearch({ ...range, limit: table ? TABLE_ROWS : this.limit, preview: table }, signal)) {
        if (signal.aborted) return;
        this.take(message, sink, have);
      }
    } catch (error) {
      if (!isCancelled(error) && !signal.aborted) this.error = toApiError(error);
    } finally {
      clearTimeout(timer);
      if (!signal.aborted) {
        sink.flush();
        if (this.error && have === 0) this.clear();
        this.running = false;
        this.slow = false;
        this.more = false;
      }
    }
  }

  /** What stands around the rows is asked for as soon as the query is known to be good. */
  private readRest(): void {
    void this.readTimeline(this.range, this.abort.signal);
    void this.readFields(this.range, this.abort.signal);
    if (this.patternsWanted) this.wantPatterns();
  }

  /** The same range with its ends nailed down, so that a second reading gives the same rows. */
  private fixedRange(): Range {
    const { earliest, latest } = this.resolved;
    return { query: this.range.query, ...(earliest ? { earliest } : this.range.earliest ? { earliest: this.range.earliest } : {}), ...(latest ? { latest } : {}) };
  }

  private take(message: SearchMessage, sink: RowSink, have: number): void {
    switch (message.type) {
      case 'start':
        if (have > 0) break;
        this.stale = false;
        this.query = this.asked;
        this.serial += 1;
        this.kind = message.kind;
        this.fields = message.fields;
        this.resolved = { earliest: message.earliest ?? null, latest: message.latest ?? null };
        sink.begin();
        this.readRest();
        break;
      case 'progress':
        this.progress = message;
        break;
      case 'rows':
        sink.add(message.rows, message.offset, message.preview);
        break;
      case 'message':
        if (have === 0) this.notices = [...this.notices, { severity: message.severity, text: message.text }];
        break;
      case 'done':
        sink.end();
        this.done = message;
        break;
      case 'error':
        this.error = new ApiError(message.error, 200);
        break;
    }
  }

  private clear(): void {
    this.stale = false;
    this.timeline = null;
    this.summary = null;
    this.rows = [];
    this.count = 0;
    this.version += 1;
  }

  private async readTimeline(range: Range, signal: AbortSignal): Promise<void> {
    try {
      const timeline = await api.timeline({ ...range, query: eventsBehind(range.query), buckets: BUCKETS }, signal);
      if (signal.aborted) return;
      this.timeline = timeline;
      this.timelineFresh = true;
    } catch {
      // The search itself says what is wrong; the timeline only goes.
      if (!signal.aborted) this.timeline = null;
    }
  }

  private async readFields(range: Range, signal: AbortSignal): Promise<void> {
    this.summaryLoading = true;
    try {
      const summary = await api.fields({ ...range, query: eventsBehind(range.query) }, signal);
      if (!signal.aborted) this.summary = summary;
    } catch {
      if (!signal.aborted) this.summary = null;
    } finally {
      if (!signal.aborted) this.summaryLoading = false;
    }
  }

  private async readPatterns(range: Range, signal: AbortSignal): Promise<void> {
    this.patternsError = null;
    try {
      const patterns = await api.patterns({ ...range, query: eventsBehind(range.query) }, signal);
      if (!signal.aborted) this.patterns = patterns;
    } catch (error) {
      if (!signal.aborted && !isCancelled(error)) this.patternsError = toApiError(error);
    }
  }
}

/** Gathers rows and shows them once a frame; a table in preview is replaced as a whole. */
class RowSink {
  private pending: Row[] = [];
  private previewing = false;
  private frame = 0;

  constructor(
    private readonly search: Search,
    private readonly signal: AbortSignal,
    private readonly have: number,
  ) {
    if (have > 0) this.pending = [...search.rows];
  }

  begin(): void {
    this.pending = [];
    this.schedule();
  }

  add(rows: Row[], offset: number, preview: boolean): void {
    if (preview !== this.previewing || (preview && offset === 0)) this.pending = [];
    this.previewing = preview;
    // Rows that are there already stay: a second, longer reading must not change what is on screen.
    rows.forEach((row, index) => {
      if (offset + index >= this.have) this.pending[offset + index] = row;
    });
    this.schedule();
  }

  /** A result without rows sends none, and what was shown before the end is then not part of it. */
  end(): void {
    if (this.previewing) this.pending = [];
    this.previewing = false;
  }

  private schedule(): void {
    // The first rows at once; later ones at the pace of the screen.
    if (this.frame === 0) this.frame = requestAnimationFrame(() => this.flush());
  }

  flush(): void {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    if (this.signal.aborted) return;
    this.search.rows = this.pending;
    this.search.preview = this.previewing;
    this.search.count = this.pending.length;
    this.search.version += 1;
  }
}

export const search = new Search();
