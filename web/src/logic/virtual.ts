// Which rows of a long list are on screen, when all rows are equally high but a few that stand open.

export class RowLayout {
  /** Extra height of open rows, by row number, in order. */
  private readonly extras = new Map<number, number>();

  constructor(
    readonly rowHeight: number,
    readonly count: number,
    extras: Iterable<readonly [number, number]> = [],
  ) {
    for (const [row, height] of [...extras].sort((a, b) => a[0] - b[0])) {
      if (row < count) this.extras.set(row, height);
    }
  }

  /** The height of everything. */
  get height(): number {
    return this.top(this.count);
  }

  /** Where a row begins. */
  top(row: number): number {
    let extra = 0;
    for (const [open, height] of this.extras) {
      if (open >= row) break;
      extra += height;
    }
    return row * this.rowHeight + extra;
  }

  /** The row at a distance from the top. */
  at(offset: number): number {
    let extra = 0;
    for (const [open, height] of this.extras) {
      const end = (open + 1) * this.rowHeight + extra;
      if (offset < end) break;
      if (offset < end + height) return open;
      extra += height;
    }
    return Math.max(0, Math.min(this.count - 1, Math.floor((offset - extra) / this.rowHeight)));
  }

  /** The rows to draw for a window, with some beyond its edges. */
  window(scrollTop: number, viewport: number, beyond = 8): { from: number; to: number } {
    if (this.count === 0) return { from: 0, to: 0 };
    return {
      from: Math.max(0, this.at(scrollTop) - beyond),
      to: Math.min(this.count, this.at(scrollTop + viewport) + 1 + beyond),
    };
  }
}
