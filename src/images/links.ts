/** The links by which a set names the one before it. */

/** CRIU's: pages that this set leaves out lie in that one. */
export const PARENT = 'parent';

/** Ours: this set holds no pages, and marks those that are as they were in that one. */
export const CHANGED_SINCE = 'ckpt-parent';

export type ParentLink = typeof PARENT | typeof CHANGED_SINCE;
