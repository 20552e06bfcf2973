import { describe, expect, it } from 'vitest';
import { boundsOf, resolveBound } from './relative';
import { parseTime } from './time';

describe('snapped bounds, in the reader’s zone', () => {
  // A Saturday.
  const now = new Date(2026, 10, 21, 21, 14, 3, 250).getTime();
  const at = (...parts: [number, number, number, number?, number?, number?]): number => new Date(...(parts as [number, number, number])).getTime();

  it.each([
    ['@d', at(2026, 10, 21)],
    ['-1d@d', at(2026, 10, 20)],
    ['@w1', at(2026, 10, 16)],
    ['@w', at(2026, 10, 15)],
    ['@w6', at(2026, 10, 21)],
    ['@mon', at(2026, 10, 1)],
    ['-1mon@mon', at(2026, 9, 1)],
    ['@q', at(2026, 9, 1)],
    ['@y', at(2026, 0, 1)],
  ])('%s', (text, expected) => expect(parseTime(resolveBound(text, now))).toBe(expected));

  it('goes on after the snap, and clamps months', () => {
    expect(parseTime(resolveBound('-1d@d+2h', now))).toBe(at(2026, 10, 20) + 7_200_000);
    expect(parseTime(resolveBound('-1mon@d', new Date(2026, 2, 31, 5).getTime()))).toBe(at(2026, 1, 28));
  });

  it('leaves everything else alone', () => {
    for (const text of ['-24h', 'now', '2026-11-21T00:00:00Z', '@nothing', '1700000000']) expect(resolveBound(text, now)).toBe(text);
    expect(boundsOf(null, '-1h', now)).toEqual({ latest: '-1h' });
  });
});
