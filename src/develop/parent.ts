/** Which set comes before one: a link if pages may have been left to it, else the reason why not. */

import type { TrackFacts } from '../helper/protocol.js';
import type { ImageSet } from '../images/set.js';
import type { DevelopOptions } from './options.js';

/** Makes the link to the parent of `images`, and gives warnings: a line each. */
export function linkParent(
  images: ImageSet,
  track: TrackFacts | undefined,
  { parent }: DevelopOptions,
): string[] {
  if (!parent) return [];
  const { set, link, target } = parent;
  if (track?.since === undefined) {
    return [
      `all pages count as changed: it is not known what was written since the set in ${set.dir}`,
    ];
  }
  images.link(link, target);
  return [];
}
