// A dump that has to be refused: by name, without harm to the target, with nothing left behind.
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { dump, type Dumper } from './dump.js';
import { Skip } from './skip.js';
import { Target, type Program } from './target.js';
import { withTemp } from './temp.js';

export interface Refusal {
  fixture: string;
  /** What runs instead, if it is no fixture. */
  program?: Program;
  args?: string[];
  /** As of a cycle. */
  beside?: string[];
  options?: string[];
  tty?: boolean;
  /** What the message has to name: the object, and the option that would allow it if there is one. */
  names: RegExp;
  /** It is about the tree as a whole, and names no process. */
  ofTree?: boolean;
  /** What ckpt does instead, as long as it does: the test is skipped with that as the reason. */
  open?: string;
  /** What CRIU does with it that ckpt must not: then only ckpt is asked. */
  criu?: string;
}

function checkMessage(output: string, { names, ofTree }: Refusal): void {
  if (!ofTree && !/\b(process|pid) \d+/.test(output)) {
    throw new Error(`the refusal names no process: ${output}`);
  }
  if (!names.test(output)) throw new Error(`the refusal does not name ${names}: ${output}`);
  if (/^\s+at /m.test(output)) throw new Error(`a stack trace: ${output}`);
}

async function refuse(refusal: Refusal, target: Target, dumper: Dumper, dir: string) {
  const images = join(dir, 'images');
  await target.ask();
  const { code, output } = await dump(dumper, target.pid, images, { args: refusal.options });
  if (code === 0) throw new Error('the dump was not refused');
  if (dumper === 'ckpt') {
    if (code > 2) throw new Error(`exit code ${code}: ${output}`);
    checkMessage(output, refusal);
    const left = readdirSync(images);
    if (left.length > 0) throw new Error(`left in the images' folder: ${left.join(' ')}`);
  } else if (existsSync(join(images, 'inventory.img')) && /Dumping finished/.test(output)) {
    throw new Error('an image set of a refused dump');
  }
  await target.ask();
  await target.ask();
  return output;
}

/**
 * Starts the fixture, has it dumped with the default of killing it, and asks it afterwards; resolves to
 * what the dumper said.
 */
export async function mustRefuse(refusal: Refusal, dumper: Dumper): Promise<string> {
  if (dumper === 'ckpt' && refusal.open) throw new Skip(`open: ${refusal.open}`);
  return withTemp(async (dir) => {
    const { fixture, program, args, tty } = refusal;
    const beside =
      refusal.beside && (await Target.start(fixture, join(dir, 'beside'), refusal.beside));
    const target = await Target.start(program ?? fixture, join(dir, 'state'), args, { tty });
    try {
      return await refuse(refusal, target, dumper, dir);
    } finally {
      await target.end();
      await beside?.end();
    }
  });
}
