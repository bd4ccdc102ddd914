/**
 * All files of the tree, each by its kind, and what belongs to them in other images.
 */

import type {
  Descriptor,
  FileFrame,
  FileId,
  FileOf,
  LiveTaskFrame,
  Vma,
} from '../../helper/protocol.js';
import type { Entry } from '../entry.js';
import { type Facts, placeOfVma } from '../facts.js';
import type { HugePages } from '../hugetlb.js';
import type { DevelopOptions } from '../options.js';
import { contradiction, refuse } from '../refuse.js';
import { type Backing, hasFlag } from '../vma.js';
import { developEpoll } from './epoll.js';
import { developEventfd } from './eventfd.js';
import { developFanotify, developInotify, warningsOfNotify } from './fsnotify.js';
import { Ghosts } from './ghost.js';
import { developInet, refuseInet, warningsOfInet } from './inet.js';
import { MemfdInodes } from './memfd.js';
import { developPidfd, warningsOfPidfd } from './pidfd.js';
import { canRead, developFifo, developPipe, developPipeData, refusePipe } from './pipe.js';
import { Procfs } from './procfs.js';
import { developRegular, isDeleted, nameOf, refuseDevice, refuseUnnamed } from './regular.js';
import { developQueue, warningsOfQueue } from './queue.js';
import { developSignalfd } from './signalfd.js';
import { developStream, isConnection } from './tcp.js';
import { developTimerfd } from './timerfd.js';
import { developTty, developTtyInfo, refuseTty, warningsOfTty } from './tty.js';
import { developPeerOutside, developUnix, hasPeerOutside, refuseUnix } from './unix.js';
import { hasRights, UnixPeers } from './unix-peers.js';

/** Develops files, one after the other; what it holds in the end is what the images get. */
export class Files {
  readonly entries: Entry<'file_entry'>[] = [];
  readonly memfds: MemfdInodes;
  readonly ghosts = new Ghosts();
  readonly procfs = new Procfs((pid) => this.#isOurs(pid));
  readonly ttys = new Map<number, Entry<'tty_info_entry'>>();
  readonly pipeData: ReturnType<typeof developPipeData>[] = [];
  readonly fifoData: ReturnType<typeof developPipeData>[] = [];
  readonly queues: ReturnType<typeof developQueue> = [];
  readonly streams: ReturnType<typeof developStream>[] = [];
  readonly warnings: string[] = [];
  readonly #facts: Facts;
  readonly #huge: HugePages;
  readonly #peers: UnixPeers;
  readonly #options: DevelopOptions;
  readonly #locked: boolean;
  /** Of what has been taken already: inodes of pipes and of sockets outside, ids of segments by inode. */
  readonly #pipes = new Set<bigint>();
  readonly #outside = new Set<bigint>();
  readonly #segments = new Map<bigint, number>();
  #lastId = 0;

  constructor(facts: Facts, huge: HugePages, options: DevelopOptions, networkLocked = false) {
    this.#locked = networkLocked;
    this.#facts = facts;
    this.#huge = huge;
    this.#peers = new UnixPeers(facts.files.values());
    this.memfds = new MemfdInodes(huge);
    this.#options = options;
    for (const id of facts.files.keys()) this.#lastId = Math.max(this.#lastId, id);
    const senders = new Set<FileFrame>(this.#peers.senders);
    for (const sender of this.#peers.senders) this.#refuseBothWays(sender);
    const first = [...facts.files.values()].filter((file) => !senders.has(file));
    for (const file of [...first, ...senders]) this.entries.push(this.#develop(file));
  }

  /** Refuses descriptors on their way to and from a socket whose peer is another process's. */
  #refuseBothWays(sender: FileOf<'unix'>): void {
    const peer = this.#peers.peerOf(sender);
    if (!peer || !hasRights(sender)) return;
    const tables = [...this.#facts.tables.values()];
    const holds = (table: readonly Descriptor[], id: FileId) =>
      table.some(({ file }) => file === id);
    const apart = (table: Descriptor[]) => holds(table, sender.id) !== holds(table, peer.id);
    if (!tables.some(apart)) return;
    const what = 'descriptors travel both ways between processes, which no restore can send';
    refuse(this.#facts.placeOf(sender.id), what);
  }

  /** Types of all files, by id. */
  get types(): Map<FileId, Entry<'file_entry'>['type']> {
    return new Map(this.entries.map(({ id, type }) => [id, type]));
  }

  /** What is behind a mapping of `task`; a file for shared anonymous memory is made up. */
  backing(vma: Vma, task: LiveTaskFrame): Backing | undefined {
    if (vma.file !== undefined) {
      const { id, kind } = this.#facts.file(vma.file);
      return { id, memfd: kind === 'memfd' };
    }
    if (vma.shmem === undefined) return undefined;
    return { id: this.#segment(vma, task), memfd: true };
  }

  #segment(vma: Vma, task: LiveTaskFrame): number {
    const ino = BigInt(vma.shmem!);
    const known = this.#segments.get(ino);
    if (known !== undefined) return known;
    const id = ++this.#lastId;
    const { size } = this.#facts.shmems.get(ino) ?? contradiction(`no shared memory ${ino}`);
    const { uid, gid } = this.#facts.threads(task.pid)[0]!.creds;
    const name = nameOf({ link: vma.name, nlink: 0 });
    const place = { pid: task.pid, object: placeOfVma(vma) };
    const hugetlb_flag = hasFlag(vma, 'ht') ? this.#huge.memfdFlags(vma.dev, place) : undefined;
    const segment = { ino: vma.shmem!, size, name, uid, gid, hugetlb_flag };
    this.entries.push(this.memfds.developSegment(id, segment));
    this.#segments.set(ino, id);
    return id;
  }

  #develop(file: FileFrame): Entry<'file_entry'> {
    const place = this.#facts.placeOf(file.id);
    switch (file.kind) {
      case 'regular':
      case 'directory':
      case 'symlink':
      case 'named':
        return this.#named(file);
      case 'char':
      case 'block':
        refuseDevice(file, place);
        return this.#named(file);
      case 'pipe':
        this.#takePipe(file);
        return developPipe(file);
      case 'fifo':
        this.#takePipe(file);
        return developFifo(file, this.#door(file));
      case 'eventfd':
        return developEventfd(file, place);
      case 'signalfd':
        return developSignalfd(file);
      case 'timerfd':
        return developTimerfd(file, place);
      case 'epoll':
        return developEpoll(file, this.#restorerTable(file.id), place);
      case 'pidfd':
        this.warnings.push(...warningsOfPidfd(file, place));
        return developPidfd(file, this.#isOurs, place);
      case 'inotify':
        this.warnings.push(...warningsOfNotify(file, place));
        return developInotify(file, place);
      case 'fanotify':
        this.warnings.push(...warningsOfNotify(file, place));
        return developFanotify(file, place);
      case 'memfd':
        return this.memfds.developFile(file, place);
      case 'tty':
        return this.#tty(file);
      case 'unix':
        refuseUnix(file, place, this.#peers, this.#options);
        this.#addPeerOutside(file);
        this.queues.push(...developQueue(file.id, file.detail.queue, place));
        this.warnings.push(...warningsOfQueue(file, place));
        return developUnix(file, this.#peers);
      case 'inet':
        refuseInet(file, place, this.#options);
        this.warnings.push(...warningsOfInet(file, place));
        if (isConnection(file) && !this.#options.tcpClose) {
          this.streams.push(developStream(file, this.#locked));
        }
        return developInet(file);
      case 'other':
        return refuse(place, 'a kind of file that ckpt does not dump yet');
    }
  }

  /** A file that is opened by name; a deleted one becomes a ghost. */
  #named(file: FileFrame, id: number = file.id): Entry<'file_entry'> {
    const place = this.#facts.placeOf(file.id);
    if (this.procfs.add(id, file, place)) return developRegular(file, id);
    refuseUnnamed(file, place);
    if (isDeleted(file)) this.ghosts.add(id, this.#facts.ghost(file), place);
    return developRegular(file, id);
  }

  /** The file by which a fifo or a terminal is opened; its id. */
  #door(file: FileFrame): number {
    const id = ++this.#lastId;
    this.entries.push(file.kind === 'tty' ? developRegular(file, id) : this.#named(file, id));
    return id;
  }

  /** Whether a process or thread is of the tree, be it a zombie. */
  readonly #isOurs = (pid: number): boolean =>
    this.#facts.tasks.some(({ tids }) => tids.includes(pid));

  #takePipe(file: FileOf<'pipe'> | FileOf<'fifo'>): void {
    const ino = BigInt(file.detail.pipe);
    const pipe = this.#facts.pipes.get(ino) ?? contradiction(`no pipe ${ino}`);
    refusePipe(pipe, file, this.#facts.placeOf(file.id), this.#options);
    if (this.#pipes.has(ino) || !canRead(file)) return;
    this.#pipes.add(ino);
    (file.kind === 'pipe' ? this.pipeData : this.fifoData).push(developPipeData(pipe));
  }

  /** Of what several sockets are connected to, once. */
  #addPeerOutside(file: FileOf<'unix'>): void {
    const peer = BigInt(file.detail.peer);
    if (!hasPeerOutside(file) || this.#outside.has(peer)) return;
    this.#outside.add(peer);
    this.entries.push(developPeerOutside(file, ++this.#lastId));
  }

  #tty(file: FileOf<'tty'>): Entry<'file_entry'> {
    const { alive, files } = this.#facts;
    const sessions = new Set(alive.filter(({ pid, sid }) => pid === sid).map(({ sid }) => sid));
    const masters = [...files.values()].filter(isMaster).map(({ detail }) => detail.index);
    const place = this.#facts.placeOf(file.id);
    refuseTty(file, place, sessions, new Set(masters), this.#options);
    this.warnings.push(...warningsOfTty(file, place));
    const info = developTtyInfo(file);
    this.ttys.set(info.id, info);
    return developTty(file, this.#door(file));
  }

  /** The descriptors of the task that a restore lets make a shared file: the one with the least pid. */
  #restorerTable(id: FileId): ReturnType<Facts['table']> {
    const holders = this.#facts.alive
      .filter((task) => this.#facts.table(task).some(({ file }) => file === id))
      .sort((a, b) => a.pid - b.pid);
    return holders[0] ? this.#facts.table(holders[0]) : [];
  }
}

function isMaster(file: FileFrame): file is FileOf<'tty'> {
  return file.kind === 'tty' && file.detail.driver === 'ptmx';
}
