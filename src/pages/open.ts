/** Sources of pages by the names that users give them. */

import { nearest } from '../cli/nearest.js';
import { CkptError } from '../errors.js';
import { CRIU_FORM, CriuSource } from './criu.js';
import { ExecSource } from './exec.js';
import { FileSource } from './file.js';
import { HttpSource } from './http.js';
import { ImagesSource } from './images.js';
import { ProcessSource } from './process.js';
import { S3Source } from './s3.js';
import type { PageSource } from './source.js';

interface Scheme {
  /** What stands behind the colon, as the help shows it. */
  value: string;
  /** Makes the source of what stands there. */
  make: (rest: string) => PageSource;
}

/** By the word before the colon. */
export const SCHEMES: Record<string, Scheme> = {
  images: { value: 'DIR', make: (dir) => new ImagesSource(dir) },
  process: { value: 'PID[,PID=VPID...]', make: (pids) => new ProcessSource(pids) },
  file: { value: 'PATH', make: (path) => new FileSource(path) },
  criu: { value: CRIU_FORM, make: (server) => CriuSource.parse(server) },
  http: { value: '//HOST/PATH', make: (rest) => HttpSource.parse(`http:${rest}`) },
  https: { value: '//HOST/PATH', make: (rest) => HttpSource.parse(`https:${rest}`) },
  s3: { value: 'BUCKET/KEY', make: (object) => S3Source.parse(object) },
  exec: { value: 'COMMAND', make: (command) => ExecSource.parse(command) },
};

/** The source that `spec` names, such as `images:/var/a`; nothing is opened yet. Throws CkptError E_USAGE. */
export function parseSource(spec: string): PageSource {
  const [match, scheme, rest] = /^([a-z\d]+):(.*)$/s.exec(spec) ?? [];
  if (match === undefined) throw unknown(spec, spec);
  if (!Object.hasOwn(SCHEMES, scheme!)) throw unknown(spec, scheme!);
  const { value, make } = SCHEMES[scheme!]!;
  if (rest === '') throw usage(`'${spec}' names no source: ${scheme}:${value}`);
  return make(rest!);
}

function unknown(spec: string, scheme: string): CkptError {
  const meant = nearest(scheme, Object.keys(SCHEMES));
  const all = Object.entries(SCHEMES).map(([name, { value }]) => `${name}:${value}`);
  const remedy = meant ? `did you mean ${meant}:${SCHEMES[meant]!.value}?` : all.join(', ');
  return usage(`'${spec}' names no source of pages`, remedy);
}

function usage(message: string, remedy?: string): CkptError {
  return new CkptError('E_USAGE', message, { remedy });
}
