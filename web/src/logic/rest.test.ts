import { describe, expect, it } from 'vitest';
import { jsonLines } from '../api/ndjson';
import { chartData, chartTitle, colourNumbers, valueTicks } from './chart';
import { eventFields, eventKey, problemTexts, severity } from './events';
import { bytes, elapsed, number, percent, short } from './format';
import { fit, readHistory, remember } from './history';
import { patternPieces } from './patterns';
import { compareValues } from './table';
import { readAddress, writeAddress } from './url';
import { RowLayout } from './virtual';

describe('address', () => {
  it.each([
    '/search',
    '/search?q=session+AND+opened&from=-24h',
    '/search?q=a%22b%22+%7C+stats+count&from=all&view=chart&chart=bar',
    '/search?q=x&from=2026-11-21T20%3A00%3A00Z&to=2026-11-21T21%3A00%3A00Z&at=2026-11-21T20%3A30%3A00Z',
    '/live?q=error',
    '/sources',
  ])('%s survives', (url) => {
    const [path = '', search = ''] = url.split('?');
    expect(writeAddress(readAddress(path, search))).toBe(url);
  });

  it('ignores nonsense', () => {
    expect(readAddress('/what', '?view=zzz&chart=1')).toMatchObject({ page: 'search', view: null, chart: null, ranged: false });
  });
});

describe('rows on screen', () => {
  it('finds rows and places with some open', () => {
    const layout = new RowLayout(24, 1000, [[10, 100], [500, 50]]);
    expect(layout.height).toBe(24_150);
    expect(layout.top(10)).toBe(240);
    expect(layout.top(11)).toBe(364);
    for (let row = 0; row < 1000; row += 1) {
      expect(layout.at(layout.top(row))).toBe(row);
      expect(layout.at(layout.top(row) + 23)).toBe(row);
    }
    expect(layout.at(300)).toBe(10);
    expect(layout.at(1e9)).toBe(999);
    expect(new RowLayout(24, 0).window(0, 500)).toEqual({ from: 0, to: 0 });
  });
});

describe('numbers', () => {
  it('groups with thin spaces from five digits on', () => {
    expect(number(1204)).toBe('1204');
    expect(number(5287229)).toBe('5\u202f287\u202f229');
    expect(number(-0.12345)).toBe('−0.1235');
    expect(short(1204)).toBe('1.2k');
    expect(short(999_950)).toBe('1M');
    expect(short(12)).toBe('12');
    expect(bytes(3_100_000)).toBe('3.1\u202fMB');
    expect(elapsed(38.4)).toBe('38\u202fms');
    expect(percent(0.91)).toBe('91\u202f%');
    expect(percent(0.0004)).toBe('<\u202f0.1\u202f%');
    expect(percent(0.9999)).toBe('99\u202f%');
    expect(percent(1)).toBe('100\u202f%');
  });
});

describe('charts', () => {
  const field = (name: string) => ({ name, kind: 'string' });
  it('shapes time, groups and pairs of groups', () => {
    expect(chartData([field('_time'), field('a')], [{ _time: '2026-11-21T00:00:00Z', a: 3 }])?.times).toHaveLength(1);
    expect(chartData([field('user'), field('count'), field('percent')], [{ user: 'root', count: 3, percent: 50 }])?.series.map((item) => item.name)).toEqual(['count']);
    const pairs = chartData([field('host'), field('user'), field('count')], [{ host: 'a', user: 'x', count: 1 }, { host: 'b', user: 'y', count: 5 }]);
    expect(pairs?.series).toEqual([{ name: 'y', values: [null, 5] }, { name: 'x', values: [1, null] }]);
    expect(chartData([field('status'), field('count')], [{ status: '200', count: 1 }])?.x).toBe('status');
    expect(chartData([field('a')], [{ a: 'x' }])).toBeNull();
  });

  it('says what is counted', () => {
    const data = chartData([field('_time'), field('a')], [{ _time: '2026-11-21T00:00:00Z', a: 3 }, { _time: '2026-11-21T00:30:00Z', a: 3 }]);
    expect(data && chartTitle(' timechart span=30m count by host', data)).toBe('count by host, per 30 min');
  });

  it('chooses round places', () => {
    expect(valueTicks(0, 95, 5)).toEqual([0, 20, 40, 60, 80, 100]);
    expect(valueTicks(0, 0, 5).at(-1)).toBe(1);
    expect(valueTicks(-5, 5, 4)[0]).toBeLessThanOrEqual(-5);
  });

  it('gives a name the same colour in any company', () => {
    const alone = colourNumbers(['root'], 12).get('root');
    expect(colourNumbers(['zed', 'root'], 12).get('root')).toBe(alone);
    expect(new Set(colourNumbers(['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l'], 12).values()).size).toBe(12);
  });
});

describe('events', () => {
  it('takes severity from fields only', () => {
    expect(severity({ _raw: 'ERROR', level: 'info' })).toBeNull();
    expect(severity({ level: 'ERROR' })).toBe('trouble');
    expect(severity({ severity: 4 })).toBe('warning');
    expect(severity({ status: '503' })).toBe('trouble');
  });

  it('lists origin first and splits lists', () => {
    expect(eventFields({ _raw: 'x', b: ['1', '2'], a: 3, host: 'h', none: null }).map((item) => `${item.name}=${item.value}`)).toEqual(['host=h', 'a=3', 'b=1', 'b=2']);
    const row = {};
    expect(eventKey(row)).toBe(eventKey(row));
    expect(eventKey(row)).not.toBe(eventKey({}));
    expect(problemTexts('no_time,odd')).toHaveLength(2);
  });
});

describe('lists', () => {
  it('remembers each query once', () => {
    expect(remember(['b', 'a'], ' a ')).toEqual(['a', 'b']);
    expect(remember(['a'], ' ')).toEqual(['a']);
    expect(readHistory('{bad')).toEqual([]);
    expect(readHistory('["a",1]')).toEqual(['a']);
    expect(fit('lst24', 'Last 24 h')).not.toBeNull();
    expect(fit('zz', 'Last 24 h')).toBeNull();
  });

  it('orders values, numbers by size, nothing last', () => {
    expect(['10', '9', null, 'a', undefined].sort(compareValues).slice(0, 3)).toEqual(['9', '10', 'a']);
  });

  it('tells the slots of a pattern from its text', () => {
    expect(patternPieces('a <*> b<time>').map((piece) => piece.slot)).toEqual([false, true, false, true]);
  });
});

describe('streams', () => {
  it('joins lines and characters that were split', async () => {
    const whole = new TextEncoder().encode('{"a":"é😀"}\n\n{"b":2}\n{"c":3}');
    for (let size = 1; size < 9; size += 1) {
      const stream = new ReadableStream<Uint8Array>({
        start(controller) {
          for (let at = 0; at < whole.length; at += size) controller.enqueue(whole.slice(at, at + size));
          controller.close();
        },
      });
      const seen: unknown[] = [];
      for await (const line of jsonLines(stream)) seen.push(line);
      expect(seen).toEqual([{ a: 'é😀' }, { b: 2 }, { c: 3 }]);
    }
  });
});
