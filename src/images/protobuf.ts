/**
 * protobufjs, which does the wire format: varints, tags, lengths, strings.
 *
 * It is loaded as the bundle that its package ships, one file in place of 18: a short dump is over
 * in a few tens of milliseconds, and the bundle loads in 3 where the modules take 11.
 */

import bundle from 'protobufjs/dist/minimal/protobuf.min.js';
import type protobufjs from 'protobufjs/minimal.js';

const protobuf: typeof protobufjs = bundle;
// The bundle also leaves itself in the global scope, as a browser's script would.
Reflect.deleteProperty(globalThis, 'protobuf');

export type Writer = protobufjs.Writer;
export type Reader = protobufjs.Reader;
export default protobuf;
