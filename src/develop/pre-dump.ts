/** A set of memory alone: pages that were copied while the tree ran, for a later dump to build on. */

import type { DumpFrame } from '../helper/client.js';
import type { ImageSet } from '../images/set.js';
import type { Developed } from './index.js';
import { developPreDumpInventory } from './inventory.js';
import type { DevelopOptions } from './options.js';
import { Pagemaps } from './pagemap.js';
import { linkParent } from './parent.js';
import { contradiction } from './refuse.js';

/** As `develop`, of the frames of a pre-dump. Throws CkptError E_PROTOCOL, and what the files meet. */
export async function developPreDump(
  frames: AsyncIterable<DumpFrame>,
  images: ImageSet,
  options: DevelopOptions,
): Promise<Developed> {
  const pagemaps = new Pagemaps(images, options);
  for await (const frame of frames) {
    if (frame.t === 'pagemap') pagemaps.add(frame);
    if (frame.t !== 'captured') continue;
    images.adopt((name) => pagemaps.files.has(name));
    pagemaps.complete([]);
    const warnings = linkParent(images, frame.track, options);
    await images.commit(developPreDumpInventory(options));
    return { warnings };
  }
  return contradiction('they have no end');
}
