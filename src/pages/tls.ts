/** TLS as CRIU has it: both ends show a certificate of one authority, and files have CRIU's names. */

import { readFileSync } from 'node:fs';
import { attempt } from '../images/file.js';

/** Files, where CRIU looks for them unless told otherwise. */
const FILES = {
  ca: '/etc/pki/CA/cacert.pem',
  cert: '/etc/pki/criu/cert.pem',
  key: '/etc/pki/criu/private/key.pem',
};

/** Paths of PEM files. */
export interface TlsFiles {
  cacert?: string | undefined;
  cert?: string | undefined;
  key?: string | undefined;
}

/** What both ends of node:tls take. Throws CkptError E_READ, naming the file. */
export interface TlsContext {
  ca: Buffer;
  cert: Buffer;
  key: Buffer;
}

export function loadTls({ cacert, cert, key }: TlsFiles): TlsContext {
  const read = (path: string): Buffer => attempt('read', path, () => readFileSync(path));
  return {
    ca: read(cacert ?? FILES.ca),
    cert: read(cert ?? FILES.cert),
    key: read(key ?? FILES.key),
  };
}
