// The live tail: a ring of the newest events, newest first. Pausing keeps what is on screen and counts what arrives.
import { api, ApiError } from '../api/client';
import type { ApiErrorBody, Row } from '../api/types';

/** As many as somebody can scroll back through while watching. */
export const LIVE_ROWS = 5000;

class Live {
  /** Not reactive by itself: read it together with `version`. */
  rows: Row[] = [];
  version = $state(0);
  count = $state(0);
  /** How many rows were put in front by the last change, so that the list keeps its place. */
  added = $state(0);
  paused = $state(false);
  waiting = $state(0);
  state = $state<'off' | 'connecting' | 'open' | 'lost'>('off');
  error = $state.raw<ApiError | null>(null);
  perSecond = $state(0);
  seen = $state(0);
  private source: EventSource | null = null;
  private pending: Row[] = [];
  private frame = 0;
  private arrivals: number[] = [];
  private ticker: ReturnType<typeof setInterval> | undefined;

  open(query: string): void {
    this.close();
    this.rows = [];
    this.count = 0;
    this.added = 0;
    this.version += 1;
    this.pending = [];
    this.waiting = 0;
    this.seen = 0;
    this.paused = false;
    this.error = null;
    this.state = 'connecting';
    const source = api.tail(query);
    this.source = source;
    source.addEventListener('open', () => (this.state = 'open'));
    source.addEventListener('row', (event) => this.take(event));
    source.addEventListener('error', (event) => this.fail(event, query));
    this.ticker = setInterval(() => this.measure(), 1000);
  }

  close(): void {
    this.source?.close();
    this.source = null;
    this.state = 'off';
    clearInterval(this.ticker);
    cancelAnimationFrame(this.frame);
    this.frame = 0;
  }

  setPaused(paused: boolean): void {
    this.paused = paused;
    if (!paused) this.flush();
  }

  private take(event: MessageEvent<string>): void {
    this.state = 'open';
    try {
      this.pending.push(JSON.parse(event.data) as Row);
    } catch {
      return;
    }
    this.seen += 1;
    this.arrivals.push(performance.now());
    // While paused the newest are kept and the oldest go, as they would on screen.
    if (this.pending.length > LIVE_ROWS) this.pending.splice(0, this.pending.length - LIVE_ROWS);
    if (this.paused) this.waiting = this.pending.length;
    else if (this.frame === 0) this.frame = requestAnimationFrame(() => this.flush());
  }

  private flush(): void {
    this.frame = 0;
    this.waiting = 0;
    if (this.pending.length === 0) return;
    const fresh = this.pending.reverse();
    this.pending = [];
    this.rows = [...fresh, ...this.rows].slice(0, LIVE_ROWS);
    this.added = fresh.length;
    this.count = this.rows.length;
    this.version += 1;
  }

  private measure(): void {
    const from = performance.now() - 5000;
    this.arrivals = this.arrivals.filter((time) => time >= from);
    this.perSecond = this.arrivals.length / 5;
  }

  private fail(event: Event, query: string): void {
    if (event instanceof MessageEvent && typeof event.data === 'string') {
      this.source?.close();
      this.state = 'off';
      try {
        const body = JSON.parse(event.data) as ApiErrorBody | { error: ApiErrorBody };
        this.error = new ApiError('error' in body ? body.error : body, 400);
      } catch {
        this.error = new ApiError({ kind: 'bug', message: event.data }, 0);
      }
    } else if (this.source?.readyState === EventSource.CLOSED) {
      // A refusal: EventSource does not tell why, but the same address does when asked plainly.
      this.state = 'off';
      void this.explain(query);
    } else {
      this.state = 'lost';
    }
  }

  private async explain(query: string): Promise<void> {
    const abort = new AbortController();
    try {
      const response = await fetch(`/api/v1/tail?query=${encodeURIComponent(query)}`, { signal: abort.signal });
      const body = response.ok ? null : ((await response.json()) as { error?: ApiErrorBody });
      abort.abort();
      if (body?.error) this.error = new ApiError(body.error, response.status);
    } catch {
      this.state = 'lost';
    }
  }
}

export const live = new Live();
