/** `exec:COMMAND`: pages from a program of the user's own, which tells where they come from. */

import { parseCommandString } from 'execa';
import { CkptError } from '../errors.js';
import { PAGE_SIZE } from '../images/pagemap.js';
import { Gate } from './gate.js';
import type { Manifest } from './manifest.js';
import { PageProgram } from './page-program.js';
import { flatPieces } from './ranges.js';
import type { PageRun, PageSource } from './source.js';

/** Requests that the program may have before it at a time. */
const AT_ONCE = 16;
/** How long it may take for a reply. */
const SILENCE_MS = 20_000;

export class ExecSource implements PageSource {
  readonly #gate = new Gate(AT_ONCE);
  #set: Manifest | undefined;
  #program: PageProgram | undefined;

  constructor(
    readonly name: string,
    private readonly argv: string[],
    private readonly silenceMs = SILENCE_MS,
  ) {}

  /** From what follows `exec:`: words between spaces, without a shell; `\ ` is a space in a word. Throws E_USAGE. */
  static parse(text: string): ExecSource {
    const name = `exec:${text}`;
    const argv = parseCommandString(text);
    if (argv.length > 0) return new ExecSource(name, argv);
    throw new CkptError('E_USAGE', `'${name}' is not of the form exec:COMMAND`);
  }

  async open(set: Manifest): Promise<void> {
    this.#set = set;
    this.#program = new PageProgram(this.name, this.argv, this.silenceMs);
  }

  async read(run: PageRun): Promise<Uint8Array> {
    let page = run.page;
    const parts = flatPieces(this.name, this.#set!, run).map(({ at, count }) => {
      const request = { op: 'read', ...ownerOf(run), page, count, at };
      page += count;
      return this.#gate.run(() => this.#program!.ask(request, count * PAGE_SIZE));
    });
    return Buffer.concat(await Promise.all(parts));
  }

  async close(): Promise<void> {
    await this.#program?.end();
  }
}

function ownerOf({ owner }: PageRun): object {
  return 'pid' in owner ? owner : { shmem: `0x${owner.shmem.toString(16)}` };
}
