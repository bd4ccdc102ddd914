/** Takes a dump: the order of its steps, and what undoes them when one fails. */

import { rmSync } from 'node:fs';
import { now } from '../clock.js';
import { CkptError } from '../errors.js';
import { HelperClient, type DumpFrame } from '../helper/client.js';
import { findHelper } from '../helper/find.js';
import { startHelper } from '../helper/start.js';
import type { ImageFile } from '../images/set.js';
import type { Store } from '../pages/fill/store.js';
import { isOnDisk, makeStaging, type Folders } from './folders.js';
import type { Limit } from './limit.js';
import type { Log } from './log.js';
import { removePidfile, tellReady, writePidfile } from './notices.js';
import type { DumpOptions, Progress } from './options.js';
import { actionOf, isHeld, requestOf } from './request.js';
import { makeResult, type DumpResult, type MadeSet } from './result.js';
import { runScripts } from './scripts.js';
import { randomId } from '../random-id.js';
import { Tally } from './tally.js';

/** What the steps share. */
export interface Session {
  options: DumpOptions;
  folders: Folders;
  limit: Limit;
  log: Log;
  report: (progress: Progress) => void;
  /** Gets the pages that the images go without. */
  store?: Store | undefined;
}

/** Throws CkptError of any kind; then the tree runs on, and nothing is left of the set. */
export async function takeDump(session: Session): Promise<DumpResult> {
  const { folders, limit, log } = session;
  const start = now();
  const helper = findHelper();
  await runScripts('pre-dump', session);
  limit.check();
  const staging = makeStaging(folders.images);
  log.info(`starting ${helper}`);
  const client = new HelperClient(startHelper(helper, (line) => log.debug(`helper: ${line}`)));
  limit.signal.addEventListener('abort', () => client.abort());
  try {
    const tally = new Tally(session.store && session.options.skipPages);
    const made = await makeSet(session, client, staging, tally);
    const frozen = await conclude(session, client, staging, made.files);
    const result = makeResult(session, made, tally, frozen, start);
    for (const warning of result.warnings.slice(made.warnings.length)) log.warn(warning);
    await saveStats(session, result, tally);
    return result;
  } finally {
    await client.close();
    rmSync(staging, { recursive: true, force: true });
  }
}

/**
 * The helper takes the facts; the darkroom is loaded meanwhile, and makes the set of them. The
 * request goes out with the greeting: a helper of another version refuses both.
 */
async function makeSet(
  session: Session,
  client: HelperClient,
  staging: string,
  tally: Tally,
): Promise<MadeSet> {
  const { options, log, store } = session;
  const runId = randomId();
  const [hello, frames, { ImageSet, develop }] = await Promise.all([
    client.greet(),
    client.dump(requestOf(options, staging, runId)),
    import('./darkroom.js'),
  ]);
  const set = new ImageSet(staging, { isOwn: true, sync: !store && isOnDisk(staging) });
  // A store's pages come out of a full set.
  const developing = { ...options, runId, ...(store && { skipPages: undefined }) };
  const { warnings } = await develop(watch(frames, session, tally), set, hello, developing);
  for (const warning of warnings) log.warn(warning);
  const files = store ? await movePages(session, staging, store) : set.files();
  log.info(`the set is complete: ${files.length} files`);
  return { files, warnings };
}

async function movePages(
  { options, limit }: Session,
  staging: string,
  store: Store,
): Promise<ImageFile[]> {
  const { moveToStore } = await import('./page-store.js');
  return moveToStore(staging, store, options, limit.signal);
}

/** Reports and counts what the helper sends, as it passes by. */
async function* watch(
  frames: AsyncIterable<DumpFrame>,
  { log, report }: Session,
  tally: Tally,
): AsyncGenerator<DumpFrame> {
  for await (const frame of frames) {
    log.debug(`helper sent ${frame.t}`);
    if (frame.t === 'progress')
      report({ phase: frame.phase, done: frame.done, total: frame.total });
    tally.add(frame);
    yield frame;
  }
}

/**
 * The set takes its place, and then the tree gets what it was promised. Where the helper dies over
 * that, the set stays: the tree may have ended. Resolves to the pause, if it is told here.
 */
async function conclude(
  session: Session,
  client: HelperClient,
  staging: string,
  files: ImageFile[],
): Promise<number | undefined> {
  const { options, folders, limit, store } = session;
  const { publish, retract } = await import('./darkroom.js');
  const names = files.map(({ name }) => name);
  const undo: (() => void)[] = [];
  try {
    limit.check();
    store?.finish();
    undo.push(() => store?.retract());
    publish(staging, folders.images, names);
    undo.push(() => retract(folders.images, names));
    writePidfile(options, folders.work);
    undo.push(() => removePidfile(options, folders.work));
    await runScripts('post-dump', session);
    tellReady(options);
    limit.check();
    limit.lift();
    if (!isHeld(options)) return undefined;
    const { times_us } = await client.finish(actionOf(options));
    return times_us?.frozen;
  } catch (error) {
    if (isDeath(error)) throw uncertainEnd(error, options);
    for (const step of undo) step();
    throw error;
  }
}

function isDeath(error: unknown): error is CkptError {
  return error instanceof CkptError && error.code === 'E_HELPER_DIED';
}

function uncertainEnd({ code, message }: CkptError, options: DumpOptions): CkptError {
  const tree = `the set is complete, but what became of process ${options.tree} is not known`;
  return new CkptError(code, `${message}; ${tree}`);
}

/** Statistics come last, for they tell of the whole; the dump has succeeded without them. */
async function saveStats(
  { folders, log }: Session,
  result: DumpResult,
  tally: Tally,
): Promise<void> {
  const { writeStats } = await import('./darkroom.js');
  try {
    writeStats(folders.work, result, tally.captured!.pages.scanned);
  } catch (error) {
    log.warn((error as Error).message);
  }
}
