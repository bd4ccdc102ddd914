/** The commands: what each is for, what it takes, and the file that does it, loaded when called. */

import {
  CHECK_OPTIONS,
  DEDUP_OPTIONS,
  DUMP_OPTIONS,
  FILL_OPTIONS,
  LAZY_PAGES_OPTIONS,
  PAGE_SERVER_OPTIONS,
  PAGES_OPTIONS,
  PRE_DUMP_OPTIONS,
  RESTORE_OPTIONS,
  TRACK_OPTIONS,
  type Option,
} from './options.js';

export interface Command {
  usage: string;
  summary: string;
  options: Record<string, Option>;
  /** The option that its one operand stands for. */
  operand?: string;
  /** Options that are not its own are another program's, and come as `rest`. */
  passesOn?: boolean;
  /** `run` gets the options by long name and resolves to the exit code. */
  load: () => Promise<{ run: (values: Record<string, unknown>) => Promise<number> }>;
}

export const COMMANDS: Record<string, Command> = {
  dump: {
    usage: 'ckpt dump -t PID -D DIR [options]',
    summary: "checkpoint a process tree into images that CRIU's restore takes",
    options: DUMP_OPTIONS,
    load: () => import('./dump.js'),
  },
  'pre-dump': {
    usage: 'ckpt pre-dump -t PID -D DIR [options]',
    summary: 'copy the memory of a running tree, for a later dump to build on',
    options: PRE_DUMP_OPTIONS,
    load: () => import('./pre-dump.js'),
  },
  check: {
    usage: 'ckpt check [--json]',
    summary: 'tell what this kernel and these privileges allow',
    options: CHECK_OPTIONS,
    load: () => import('./check.js'),
  },
  pages: {
    usage: 'ckpt pages -D DIR [--json]',
    summary: 'list the pages of an image set, and where they lie in a flat page store',
    options: PAGES_OPTIONS,
    load: () => import('./pages.js'),
  },
  fill: {
    usage: 'ckpt fill -D DIR --from SOURCE [options]',
    summary: 'bring the pages into a set that was dumped without them',
    options: FILL_OPTIONS,
    load: () => import('./fill.js'),
  },
  dedup: {
    usage: 'ckpt dedup DIR [--json]',
    operand: 'images-dir',
    summary: 'take out of the parents of a set what the set replaces',
    options: DEDUP_OPTIONS,
    load: () => import('./dedup.js'),
  },
  track: {
    usage: 'ckpt track start|stop|status -t PID [--json]',
    operand: 'action',
    summary: 'find out what a tree writes, and how much a next set would hold',
    options: TRACK_OPTIONS,
    load: () => import('./track.js'),
  },
  restore: {
    usage: "ckpt restore -D DIR [--from SOURCE] [options] [criu's own options]",
    summary: 'have stock criu restore a set, with its pages from anywhere',
    options: RESTORE_OPTIONS,
    passesOn: true,
    load: () => import('./restore.js'),
  },
  'lazy-pages': {
    usage: 'ckpt lazy-pages -D DIR [--from SOURCE] [options]',
    summary: 'serve pages to a `criu restore --lazy-pages`',
    options: LAZY_PAGES_OPTIONS,
    load: () => import('./lazy-pages.js'),
  },
  'page-server': {
    usage: 'ckpt page-server -D DIR [--lazy-pages [--from SOURCE]] [options]',
    summary:
      "take the pages of a dump, or give a set's pages to a lazy restore, as criu's own does",
    options: PAGE_SERVER_OPTIONS,
    load: () => import('./page-server.js'),
  },
};
