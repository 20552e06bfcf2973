// The address bar is the state: what it says is what the page shows.

export type Page = 'search' | 'live' | 'sources';
export type View = 'events' | 'patterns' | 'table' | 'chart';
export type ChartKind = 'line' | 'column' | 'bar';

export interface Address {
  page: Page;
  query: string;
  /** Null is the beginning of all time. */
  from: string | null;
  /** Null is now. */
  to: string | null;
  /** Null lets the result decide: events for events, a table for a table. */
  view: View | null;
  chart: ChartKind | null;
  /** The time of the event to stand on. */
  at: string | null;
  /** Whether the address says which range; without, the page chooses a fitting one. */
  ranged: boolean;
}

const PAGES: Record<string, Page> = { '/': 'search', '/search': 'search', '/live': 'live', '/sources': 'sources' };
const VIEWS = ['events', 'patterns', 'table', 'chart'];
const CHARTS = ['line', 'column', 'bar'];

/** The state that an address stands for. */
export function readAddress(path: string, search: string): Address {
  const params = new URLSearchParams(search);
  const view = params.get('view') ?? '';
  const chart = params.get('chart') ?? '';
  const from = params.get('from');
  return {
    page: PAGES[path.replace(/\/+$/, '') || '/'] ?? 'search',
    query: params.get('q') ?? '',
    from: from === null || from === 'all' || from === '' ? null : from,
    to: params.get('to') || null,
    view: VIEWS.includes(view) ? (view as View) : null,
    chart: CHARTS.includes(chart) ? (chart as ChartKind) : null,
    at: params.get('at'),
    ranged: from !== null,
  };
}

/** The address of a state; reading it gives the state back. */
export function writeAddress(address: Address): string {
  const params = new URLSearchParams();
  if (address.page !== 'sources') {
    if (address.query !== '') params.set('q', address.query);
    if (address.page === 'search') {
      if (address.ranged) params.set('from', address.from ?? 'all');
      if (address.to) params.set('to', address.to);
      if (address.view) params.set('view', address.view);
      if (address.chart) params.set('chart', address.chart);
      if (address.at) params.set('at', address.at);
    }
  }
  const text = params.toString();
  return `/${address.page}${text === '' ? '' : `?${text}`}`;
}
