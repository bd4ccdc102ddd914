// What is measured: memory by size and layout, threads, and how often.

export interface Cell {
  mib: number;
  /** In one piece, or every second page of twice as much, which makes every page an entry. */
  layout: 'dense' | 'sparse';
  threads: number;
  /** Rounds that count; one more comes before them. */
  rounds: number;
}

const ROUNDS: Record<number, number> = { 8: 11, 1024: 5, 4096: 3 };

function cells(sizes: number[], layouts: Cell['layout'][], threads: number[]): Cell[] {
  return sizes.flatMap((mib) =>
    layouts.flatMap((layout) =>
      threads.map((n) => ({ mib, layout, threads: n, rounds: ROUNDS[mib]! })),
    ),
  );
}

export const allCells = cells([8, 1024, 4096], ['dense', 'sparse'], [1, 200]);

/** A minute's worth of it. */
export const quickCells = [...cells([8], ['dense'], [1, 200]), ...cells([1024], ['dense'], [1])];

export function nameOf({ mib, layout, threads }: Cell): string {
  const size = mib < 1024 ? `${mib} MiB` : `${mib / 1024} GiB`;
  return `${size} ${layout}, ${threads} thread${threads === 1 ? '' : 's'}`;
}
