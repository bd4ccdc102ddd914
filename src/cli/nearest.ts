/** Which of the known names a mistyped one may have meant. */

/** The nearest of `names`, if near enough to be meant: at most a third of it is different. */
export function nearest(typed: string, names: Iterable<string>): string | undefined {
  let best: string | undefined;
  let least = Math.ceil(typed.length / 3) + 1;
  for (const name of names) {
    const edits = distance(typed, name);
    if (edits < least) [best, least] = [name, edits];
  }
  return best;
}

/** Levenshtein's: how many letters to insert, delete or replace. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[b.length]!;
}
