/**
 * `process:PID[,PID=VPID...]`: the memory of the original, which stands still, or of a fork of it.
 *
 * Private memory is read from /proc/PID/mem at its own addresses. A segment of shared memory is a
 * file to the kernel, whose inode number is the segment's id: it is read through map_files of
 * whoever maps it, or through a descriptor, which makes no page come to be in the process.
 */

import { CkptError } from '../errors.js';
import { fileError } from '../images/file.js';
import { PAGE_SIZE } from '../images/pagemap.js';
import type { Manifest, ManifestOwner } from './manifest.js';
import { readMappings } from './mappings.js';
import { matchTasks, type Named, parsePids } from './match.js';
import { ownerText } from './owner.js';
import { OpenFiles } from './place.js';
import { innerPid, isHeld, type MapsLine, readMaps, threadsOf, treeOf } from './proc.js';
import { lacks } from './ranges.js';
import { mappedFile, openFile } from './segments.js';
import type { Located, PageRun, PageSource, Place } from './source.js';

/** 1 << MADV_WIPEONFORK, as vma_entry.madv has it. */
const WIPED = 1 << 18;

export class ProcessSource implements PageSource {
  readonly name: string;
  readonly #named: Named;
  readonly #files: OpenFiles;
  /** Processes by the pids in the set. */
  #pids = new Map<number, number>();
  /** Files by the ids of segments. */
  readonly #segments = new Map<bigint, string>();

  constructor(pids: string) {
    this.name = `process:${pids}`;
    this.#named = parsePids(pids);
    this.#files = new OpenFiles(this.name);
  }

  async open(set: Manifest): Promise<void> {
    this.#pids = await matchTasks(this.name, this.#named, set);
    const living = new Set([...treeOf(this.#named.root ?? 0), ...this.#pids.values()]);
    const maps = new Map([...living].map((pid) => [pid, this.#attempt(() => readMaps(pid))]));
    for (const listed of set.owners) {
      const { owner, ranges } = listed;
      if (ranges.length === 0) continue;
      if ('pid' in owner) await this.#openTask(set, listed, owner.pid, maps);
      else await this.#openSegment(owner.shmem, maps);
    }
  }

  locate({ owner, page, count }: PageRun): Located[] {
    return [{ page, count, place: this.#place({ owner, page, count }) }];
  }

  read(run: PageRun): Promise<Uint8Array> {
    return this.#files.read(run, this.locate(run));
  }

  close(): Promise<void> {
    return this.#files.close();
  }

  #place(run: PageRun): Place {
    const { owner, page } = run;
    if ('pid' in owner) {
      const pid = this.#pids.get(owner.pid);
      if (pid !== undefined) return { kind: 'process', pid };
    } else {
      const path = this.#segments.get(owner.shmem);
      if (path !== undefined) return { kind: 'file', path, offset: page * PAGE_SIZE };
    }
    throw lacks(this.name, run, 'the set lists none of that');
  }

  /** Makes sure that the process can be taken for the task `vpid`. */
  async #openTask(
    { dir }: Manifest,
    listed: ManifestOwner,
    vpid: number,
    maps: ReadonlyMap<number, MapsLine[]>,
  ): Promise<void> {
    const pid = this.#pids.get(vpid)!;
    if (!threadsOf(pid).every((tid) => isHeld(pid, tid))) {
      const reason = `process ${pid} runs, and its memory is no longer that of the dump`;
      throw this.#refusal(
        reason,
        `stop it before the dump, and let it stand still: kill -STOP ${pid}`,
      );
    }
    const missing = unmapped(listed, maps.get(pid)!);
    if (missing) throw lacks(this.name, missing, `process ${pid} maps no such memory`);
    if (innerPid(pid) !== vpid) await this.#refuseWiped(dir, listed, vpid);
    const path = `/proc/${pid}/mem`;
    await this.#files.open(path).catch((error) => this.#fail(error, path));
  }

  /** What a fork does not have: it finds zeros there. */
  async #refuseWiped(dir: string, { owner, ranges }: ManifestOwner, vpid: number): Promise<void> {
    const wiped = (await readMappings(dir, vpid)).filter(({ madv }) => madv & WIPED);
    for (const { page, count } of wiped) {
      const lost = ranges.find(
        (range) => range.page < page + count && page < range.page + range.count,
      );
      if (lost)
        throw lacks(this.name, { owner, page, count }, 'a fork loses them (MADV_WIPEONFORK)');
    }
  }

  async #openSegment(shmem: bigint, maps: ReadonlyMap<number, MapsLine[]>): Promise<void> {
    const path = mappedFile(shmem, maps) ?? this.#attempt(() => openFile(shmem, maps.keys()));
    if (!path) {
      const reason = `none of its processes has ${ownerText({ shmem })} mapped or open`;
      throw this.#refusal(reason);
    }
    await this.#files.open(path).catch((error) => this.#fail(error, path));
    this.#segments.set(shmem, path);
  }

  #attempt<T>(action: () => T): T {
    try {
      return action();
    } catch (error) {
      return this.#fail(error, (error as NodeJS.ErrnoException).path ?? '/proc');
    }
  }

  #fail(error: unknown, path: string): never {
    throw this.#refusal(fileError('read', path, error).message);
  }

  #refusal(reason: string, remedy?: string): CkptError {
    return new CkptError('E_PAGE_SOURCE', `${this.name}: ${reason}`, { object: this.name, remedy });
  }
}

/** The first pages of a task that are not private memory of the process. */
function unmapped({ owner, ranges }: ManifestOwner, lines: MapsLine[]): PageRun | undefined {
  let i = 0;
  for (const { page, count } of ranges) {
    for (let at = page; at < page + count; at = lines[i]!.end) {
      while (i < lines.length && lines[i]!.end <= at) i++;
      const line = lines[i];
      const isPrivate = line && line.page <= at && line.perms[3] === 'p';
      if (!isPrivate) return { owner, page: at, count: page + count - at };
    }
  }
  return undefined;
}
