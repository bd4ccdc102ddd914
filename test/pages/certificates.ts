// Certificates for a test: an authority, and what it vouches for.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { Skip } from '../support/skip.js';

/** Paths of PEM files. */
export interface Identity {
  cacert: string;
  cert: string;
  key: string;
}

async function openssl(args: string[]): Promise<void> {
  const { failed, stderr, code } = await execa('openssl', args, { reject: false });
  if (code === 'ENOENT') throw new Skip('openssl is not installed');
  if (failed) throw new Error(`openssl ${args[0]}: ${stderr}`);
}

/** A new authority in `dir`/`name`, and one certificate of it, for 127.0.0.1, for servers and clients alike. */
export async function certify(dir: string, name: string): Promise<Identity> {
  const path = (file: string): string => join(dir, name, file);
  mkdirSync(join(dir, name));
  const [cacert, cakey, cert, key] = ['ca.pem', 'ca.key', 'cert.pem', 'key.pem'].map(path);
  const fresh = ['req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const [ca, own] = [`/CN=${name} authority`, `/CN=${name}`];
  await openssl([...fresh, '-x509', '-days', '2', '-subj', ca, '-keyout', cakey!, '-out', cacert!]);
  await openssl([...fresh, '-subj', own, '-keyout', key!, '-out', path('request')]);
  writeFileSync(path('extensions'), 'subjectAltName=IP:127.0.0.1\n');
  const issuer = ['-CA', cacert!, '-CAkey', cakey!, '-CAcreateserial', '-days', '2'];
  const request = ['-in', path('request'), '-extfile', path('extensions')];
  await openssl(['x509', '-req', ...issuer, ...request, '-out', cert!]);
  return { cacert: cacert!, cert: cert!, key: key! };
}

/** As options of criu, and of ckpt. */
export function tlsOptions({ cacert, cert, key }: Identity): string[] {
  return ['--tls', '--tls-cacert', cacert, '--tls-cert', cert, '--tls-key', key];
}
