import { describe, expect, it } from 'vitest';
import { ago, isRelative, justAfter, parseTime, rangeText, readBound, rowTime, spanText, timeTicks } from './time';

describe('bounds', () => {
  it.each(['-24h', '-1d@d', '@w1', 'now', '-90m', '@mon', '-1d@d+2h', '+5m'])('%s is relative', (text) => expect(isRelative(text)).toBe(true));
  it.each(['', '24', 'yesterday', '-24x', '2026-11-21', 'h'])('%s is not', (text) => expect(isRelative(text)).toBe(false));

  it('reads what people type', () => {
    expect(readBound('2026-11-21 21:14:03Z')).toBe('2026-11-21T21:14:03Z');
    expect(readBound('2026-11-21T21:14:03.25+02:00')).toBe('2026-11-21T19:14:03.250Z');
    expect(parseTime(readBound('2026-11-21 21:14') ?? '')).toBe(new Date(2026, 10, 21, 21, 14).getTime());
    expect(readBound('-4h')).toBe('-4h');
    expect(readBound('1700000000')).toBe('1700000000');
    expect(readBound('soon')).toBeNull();
    expect(readBound('2026-13-01')).toBeNull();
  });

  it('says ranges in words', () => {
    expect(rangeText({ from: null, to: null })).toBe('All time');
    expect(rangeText({ from: '-24h', to: 'now' })).toBe('Last 24 h');
    expect(rangeText({ from: '-3h', to: null })).toBe('-3h – now');
  });
});

describe('times', () => {
  it('keeps nanoseconds out of the way', () => {
    expect(parseTime('2026-11-21T21:14:03.123456789Z')).toBe(Date.UTC(2026, 10, 21, 21, 14, 3, 123));
    expect(parseTime('1700000000.5')).toBe(1_700_000_000_500);
    expect(parseTime('never')).toBeNull();
    expect(justAfter('2026-11-21T21:14:03Z')).toBe('2026-11-21T21:14:03.000000001Z');
    expect(justAfter('2026-11-21T21:14:03.999999999Z')).toBe('2026-11-21T21:14:04Z');
  });

  it('shows the year when it is another one', () => {
    expect(rowTime(new Date(2026, 10, 21, 21, 14, 3, 5).toISOString(), 2026)).toEqual({ date: '11-21', clock: '21:14:03.005' });
    expect(rowTime(new Date(2005, 10, 21, 21, 14, 3, 5).toISOString(), 2026)).toEqual({ date: '2005-11-21', clock: '21:14:03' });
  });

  it('counts back', () => {
    expect(ago(0, 240_000)).toBe('4 minutes ago');
    expect(ago(60_000, 0)).toBe('in 1 minute');
    expect(ago(0, 500)).toBe('now');
    expect(spanText(600)).toBe('10 min');
    expect(spanText(86_400)).toBe('1 d');
    expect(spanText(0.5)).toBe('500 ms');
  });

  it('puts few labels on any axis', () => {
    for (const length of [1e3, 1e5, 1e7, 1e9, 1e11, 1e13, 2.5e14]) {
      const ticks = timeTicks(1_700_000_000_000, 1_700_000_000_000 + length, 10);
      expect(ticks.length, String(length)).toBeLessThanOrEqual(13);
      expect(ticks.length, String(length)).toBeGreaterThan(0);
    }
    expect(timeTicks(5, 5, 10)).toEqual([]);
  });
});
