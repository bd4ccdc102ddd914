// ckpt at work, for someone who has never seen it: `make demo`.
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Counter, type State } from './counter.js';
import { findCriu, restore, type Criu } from './criu.js';
import { dump } from './dump.js';

const say = (line = ''): void => console.log(line && `   ${line}`);
const title = (text: string): void => console.log(`\n${text}`);
const show = ({ count, threads, shared, sum }: State): void =>
  say(`count ${count}   by threads ${threads}   in shared memory ${shared}   table ${sum}`);

/** The copy goes on from the past that the images hold, with the same table; throws if not. */
function checkReturn(atDump: State, atKill: State, back: State): void {
  if (back.count < atDump.count || back.count >= atKill.count) {
    throw new Error(`the copy counts ${back.count}, not on from ${atDump.count}`);
  }
  if (back.threads < atDump.threads) throw new Error('the threads of the copy lost their count');
  if (back.shared < atDump.shared) throw new Error('the shared memory of the copy is lost');
  if (back.sum !== atDump.sum) throw new Error('the table of the copy is damaged');
}

async function bringBack(criu: Criu, full: string, counter: Counter, before: State): Promise<void> {
  title('4  It is killed');
  const last = await counter.next();
  await counter.keeper.end();
  show(last);
  say(`process ${counter.pid} and its child are gone`);

  title(`5  CRIU ${criu.version} brings it back from the full dump`);
  say(`$ criu restore -d -D ${full}`);
  const copy = counter.restored(await restore(criu, full));
  try {
    const back = await copy.next();
    checkReturn(before, last, back);
    show(back);
    await copy.watch(3, show);
    say(`process ${copy.pid} counts on from where the dump saw it, its table whole`);
  } finally {
    await copy.keeper.end();
  }
}

async function demo(dir: string): Promise<void> {
  const [without, full] = [join(dir, 'no-pages'), join(dir, 'full')];
  for (const images of [without, full]) mkdirSync(images);
  title('1  A program runs: two processes that share memory, four threads, a table of 64 MiB');
  const counter = await Counter.start(join(dir, 'count'));
  try {
    const tree = ['-t', `${counter.pid}`];
    await counter.watch(3, show);

    title('2  Dumped while it runs, without its pages: they are listed, and stay where they are');
    say(await dump([...tree, '-D', without, '-R', '--skip-pages'], say));
    await counter.watch(2, show);

    title('3  Dumped while it runs, in full');
    const before = counter.read();
    say(await dump([...tree, '-D', full, '-R'], say));
    await counter.watch(2, show);

    const criu = await findCriu();
    if (criu) await bringBack(criu, full, counter, before);
    else say('No CRIU that starts on this machine could be had, so nothing is restored here.');
  } finally {
    await counter.keeper.end();
  }
}

if (process.getuid?.() !== 0) {
  console.error('demo: needs root');
  process.exit(1);
}
// In memory where that can be had: a disk's speed is not what this is about.
const base = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
const dir = mkdtempSync(join(base, 'ckpt-demo-'));
process.once('exit', () => rmSync(dir, { recursive: true, force: true }));
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
try {
  await demo(dir);
  console.log('\nAll that ran has ended; the images are removed.');
} catch (error) {
  console.error(`demo: ${(error as Error).message}`);
  process.exitCode = 1;
}
