// A dump as a user would make it, and what of it a first-time reader wants to know.
import { execa } from 'execa';
import type { DumpResult, PageCount } from '../../src/dump/result.js';
import { bytes, plural, time } from '../../src/cli/units.js';
import { ckptInstalled } from '../support/paths.js';

const total = (pages: DumpResult['pages'], key: keyof PageCount): number =>
  Object.values(pages).reduce((sum, count) => sum + count[key], 0);

/** Runs `ckpt dump WORDS`, shown as it would be typed; resolves to a line about it. */
export async function dump(words: string[], say: (line: string) => void): Promise<string> {
  say(`$ npx ckpt dump ${words.join(' ')}`);
  const args = [ckptInstalled, 'dump', ...words, '--json'];
  const { stdout, stderr, failed } = await execa(process.execPath, args, { reject: false });
  if (failed) throw new Error(`ckpt dump: ${stdout || stderr}`);
  const { pauseUs, pages, files, bytes: size } = JSON.parse(stdout) as DumpResult;
  const [listed, written] = [total(pages, 'listed'), total(pages, 'written')];
  return [
    `paused ${time(pauseUs)}`,
    `${plural(listed, 'page')} listed, ${written || 'none'} written`,
    `${plural(files.length, 'file')}, ${bytes(size)}`,
  ].join('   ');
}
