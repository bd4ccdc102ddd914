/**
 * All that is needed only once the helper is at work. Loading it takes as long as the helper's
 * part of a small dump, so both go on at once: see dump.ts.
 */

export { develop } from '../develop/index.js';
export { developPreDump } from '../develop/pre-dump.js';
export { ImageSet } from '../images/set.js';
export { publish, retract } from './publish.js';
export { writeStats } from './stats.js';
