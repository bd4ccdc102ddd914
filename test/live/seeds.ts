// Dumps of memory that changes in every way: the images are as memory was at the last freeze, and each
// copy finds in its memory what it remembers.
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { randomOf } from '../soak/random.js';
import { Target, withoutRseq } from '../support/target.js';
import { withTemp } from '../support/temp.js';
import { mustBeTrue } from '../support/truth.js';
import { goOn, proveCopy } from './copy.js';
import { dumpLive, needsMode, type Mode } from './modes.js';

/** A snapshot is of the first freeze: by its end there is nothing left to hold it against. */
const isOfLastFreeze = (mode: Mode): boolean => mode !== 'snapshot';

/** Holds images against memory; those of a chain have to lean on their parents. */
async function holdAgainst(mode: Mode, images: string): Promise<number> {
  const { compared, depth } = await mustBeTrue(images);
  if (mode === 'chain' && depth < 2) throw new Error('the last set has no parent');
  return compared;
}

/** One run: how fast the memory changes, and when it is dumped, follows from the seed. */
async function runSeed(mode: Mode, seed: number, dir: string): Promise<number> {
  const random = randomOf(seed);
  const rate = Math.round(200 * 10 ** (2 * random())); // 200 to 20 000 operations a second
  const churn = withoutRseq('churn', [`${seed}`, `${rate}`]);
  const target = await Target.start(churn, join(dir, 'state'));
  try {
    await sleep(200 * random());
    const then = isOfLastFreeze(mode) ? '-s' : '-R';
    const betweenMs = Math.round(200 * random());
    const images = await dumpLive(mode, target.pid, join(dir, 'set'), { then, betweenMs });
    const compared = isOfLastFreeze(mode) ? await holdAgainst(mode, images) : 0;
    await proveCopy(target, images, join(dir, 'copy'));
    goOn(target.pid);
    await target.ask(30_000);
    return compared;
  } finally {
    await target.end();
  }
}

/** Runs the seeds from `first` on, `times` of them; throws at the first fault, with its seed. */
export async function seeds(
  mode: Mode,
  first: number,
  times: number,
  say: (line: string) => void,
): Promise<void> {
  await needsMode(mode);
  let compared = 0;
  for (let seed = first; seed < first + times; seed++) {
    compared += await withTemp((dir) => runSeed(mode, seed, dir)).catch((error: Error) => {
      throw new Error(`${mode}, seed ${seed}: ${error.message}`, { cause: error });
    });
  }
  const held = isOfLastFreeze(mode) ? `, ${compared} pages as in memory` : '';
  say(`${mode}: ${times} runs of changing memory from seed ${first} on${held}`);
}
