// CRIU, where one can be had: Debian's, from the tests' own cache, or the machine's.
import { execa } from 'execa';
import { keep, type Keeper } from '../support/keeper.js';
import { errorsOf } from '../support/dump.js';
import { oracleProgram } from '../support/paths.js';
import { until } from '../support/until.js';
import { join } from 'node:path';

export interface Criu {
  path: string;
  version: string;
}

function candidates(): string[] {
  try {
    return [oracleProgram('4.2.1', 'criu'), 'criu'];
  } catch {
    return ['criu'];
  }
}

/** The first that starts. */
export async function findCriu(): Promise<Criu | undefined> {
  for (const path of candidates()) {
    const { stdout, failed } = await execa(path, ['--version'], { reject: false });
    const version = /^Version: (\S+)/m.exec(stdout ?? '')?.[1];
    if (!failed && version) return { path, version };
  }
  return undefined;
}

/** Restores a set in our own namespaces; what comes up lives as long as the keeper. */
export async function restore({ path }: Criu, images: string): Promise<Keeper> {
  const keeper = await keep([path, 'restore', '-d', '-D', images, '-o', 'restore.log']);
  const code = await until('end of criu restore', () => keeper.ended.get(keeper.started), 30_000);
  if (code === 0) return keeper;
  await keeper.end();
  throw new Error(`criu restore: ${errorsOf(join(images, 'restore.log'))}`);
}
