/** `ckpt track`: what is known of a tree's writes, in two lines, or as one JSON object. */

import { PAGE_SIZE } from '../images/pagemap.js';
import { track, type TrackOptions, type Tracking } from '../track/track.js';
import { print, printJson } from './print.js';
import { bytes, plural } from './units.js';

export async function run({ json, ...values }: Record<string, unknown>): Promise<number> {
  const options = values as unknown as TrackOptions;
  const tracking = await track(options);
  if (json) printJson({ ok: true, ...tracking });
  else print(summary(options.tree, tracking));
  return 0;
}

function summary(tree: number, tracking: Tracking): string {
  const { keeper, setId, age = 0, spaces, pages, written } = tracking;
  if (keeper === undefined) return `${tree} is not tracked any more`;
  const since = setId === undefined ? 'it began' : `set ${setId}`;
  const count = `${bytes(written * PAGE_SIZE)} of ${bytes(pages * PAGE_SIZE)}`;
  return [
    `${tree} is tracked: ${plural(spaces, 'address space')}, by process ${keeper}`,
    `  ${count} written in the ${age} s since ${since}`,
  ].join('\n');
}
