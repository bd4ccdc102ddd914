/**
 * The facts of a dump, put where each can be found.
 *
 * All frames are collected but those of pages: they come last, may be a million runs, and stream
 * past (see pagemap.ts).
 */

import type {
  Descriptor,
  FileFrame,
  FileId,
  GhostFrame,
  Hex,
  LiveTaskFrame,
  PipeFrame,
  ShmemFrame,
  TaskFrame,
  ThreadFrame,
  Vma,
} from '../helper/protocol.js';
import type { DumpFrame } from '../helper/client.js';
import { contradiction, type Place } from './refuse.js';

export interface AddressSpace {
  vmas: Vma[];
  guards?: [start: Hex, end: Hex][];
}

export class Facts {
  /** Parents before children. */
  readonly tasks: TaskFrame[] = [];
  readonly #threads = new Map<number, ThreadFrame[]>();
  readonly #spaces = new Map<number, AddressSpace>();
  readonly files = new Map<FileId, FileFrame>();
  /** By the pid in `share.files`. */
  readonly tables = new Map<number, Descriptor[]>();
  /** By inode. */
  readonly pipes = new Map<bigint, PipeFrame>();
  readonly #ghosts = new Map<string, GhostFrame>();
  readonly shmems = new Map<bigint, ShmemFrame>();
  /** Found when the first is asked for, which is when all frames are in. */
  #places: Map<FileId, Place> | undefined;

  /** The tasks that are no zombies. */
  get alive(): LiveTaskFrame[] {
    return this.tasks.filter((task): task is LiveTaskFrame => task.state !== 'zombie');
  }

  get root(): TaskFrame {
    return this.tasks[0] ?? contradiction('no task');
  }

  /** A task's threads, its leader first. */
  threads(pid: number): ThreadFrame[] {
    return this.#threads.get(pid) ?? contradiction(`no thread of task ${pid}`);
  }

  /** An address space, by the pid in `share.vm`. */
  space(pid: number): AddressSpace {
    return this.#spaces.get(pid) ?? contradiction(`no mappings of task ${pid}`);
  }

  /** A task's descriptors. */
  table({ share }: LiveTaskFrame): Descriptor[] {
    return this.tables.get(share.files) ?? contradiction(`no descriptors of task ${share.files}`);
  }

  file(id: FileId): FileFrame {
    return this.files.get(id) ?? contradiction(`no file ${id}`);
  }

  /** The content of a deleted file, if it was copied. */
  ghost(file: FileFrame): GhostFrame | undefined {
    return this.#ghosts.get(inodeKey(file));
  }

  /** Names of the temporary files that hold deleted files' contents. */
  get ghostContents(): string[] {
    return [...this.#ghosts.values()].flatMap(({ content }) => content ?? []);
  }

  /** Takes a frame in, unless it is of a kind that is not collected. */
  add(frame: DumpFrame): void {
    switch (frame.t) {
      case 'task':
        this.tasks.push(frame);
        break;
      case 'thread':
        entryOf(this.#threads, frame.pid, () => []).push(frame);
        break;
      case 'vmas': {
        const space = entryOf(this.#spaces, frame.pid, () => ({ vmas: [] }) as AddressSpace);
        space.vmas.push(...frame.vmas);
        space.guards ??= frame.guards;
        break;
      }
      case 'file':
        this.files.set(frame.id, frame);
        break;
      case 'fds':
        this.tables.set(frame.pid, frame.fds);
        break;
      case 'pipe':
        this.pipes.set(BigInt(frame.ino), frame);
        break;
      case 'ghost':
        this.#ghosts.set(inodeKey(frame), frame);
        break;
      case 'shmem':
        this.shmems.set(BigInt(frame.ino), frame);
        break;
    }
  }

  /** Where in the tree a file is, for a person: a descriptor if there is one. */
  placeOf(id: FileId): Place {
    this.#places ??= this.#findPlaces();
    return this.#places.get(id) ?? { pid: this.root.pid, object: this.file(id).link };
  }

  #findPlaces(): Map<FileId, Place> {
    const places = new Map<FileId, Place>();
    const note = (id: FileId, pid: number, object: string): void => {
      if (!places.has(id)) places.set(id, { pid, object });
    };
    for (const [pid, table] of this.tables) {
      for (const { fd, file } of table) note(file, pid, `fd ${fd} -> ${this.file(file).link}`);
    }
    for (const { id, kind, detail } of this.files.values()) {
      const rights = kind === 'unix' ? detail.queue.flatMap(({ rights = [] }) => rights) : [];
      for (const file of rights) {
        const { pid, object } = places.get(id) ?? { pid: this.root.pid, object: '' };
        note(file, pid, `in the queue of ${object} -> ${this.file(file).link}`);
      }
    }
    for (const { pid, mm, fs } of this.alive) {
      for (const [name, id] of Object.entries({ exe: mm.exe, cwd: fs.cwd, root: fs.root })) {
        note(id, pid, `${name} -> ${this.file(id).link}`);
      }
    }
    for (const [pid, { vmas }] of this.#spaces) {
      for (const vma of vmas) if (vma.file !== undefined) note(vma.file, pid, placeOfVma(vma));
    }
    return places;
  }
}

/** A mapping as /proc/PID/maps begins its line, and what is mapped. */
export function placeOfVma({ start, end, perms, name }: Vma): string {
  return `mapping ${start.slice(2)}-${end.slice(2)} ${perms} ${name || '(anonymous)'}`;
}

function inodeKey({ dev, ino }: { dev: number; ino: Hex }): string {
  return `${dev}:${BigInt(ino)}`;
}

function entryOf<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  let value = map.get(key);
  if (!value) map.set(key, (value = make()));
  return value;
}
