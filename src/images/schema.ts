/**
 * The messages as the codec needs them: their fields by name and by number.
 *
 * The generated descriptors are strings. Each is parsed when its message is first used: a dump
 * needs a third of them, and none of other architectures' registers.
 */

import { descriptors } from './gen/descriptors.js';
import type { Messages } from './gen/messages.js';

export type MessageName = keyof Messages;

/** How a field is to be shown: (criu) options of proto/opts.proto. */
export interface Display {
  hex?: boolean;
  ipadd?: boolean;
  dev?: boolean;
  odev?: boolean;
  flags?: string;
  dict?: string;
  conv?: string;
}

export interface Field {
  name: string;
  id: number;
  rule: 'required' | 'optional' | 'repeated';
  /** A scalar's name, "enum" or "message". */
  type: string;
  /** Of a field of type "enum": the values by name. */
  values?: Readonly<Record<string, number>>;
  /** Of a field of type "message": the name of the message. */
  message?: MessageName;
  display: Display;
}

export interface Message {
  name: MessageName;
  /** In ascending order of their numbers, which is the order they are written in. */
  fields: readonly Field[];
  byName: ReadonlyMap<string, Field>;
  byId: ReadonlyMap<number, Field>;
}

const messages = new Map<MessageName, Message>();

/** A message's fields. */
export function messageOf(name: MessageName): Message {
  let message = messages.get(name);
  if (!message) messages.set(name, (message = parse(name)));
  return message;
}

function parse(name: MessageName): Message {
  const fields = JSON.parse(descriptors[name]) as Field[];
  return {
    name,
    fields,
    byName: new Map(fields.map((field) => [field.name, field])),
    byId: new Map(fields.map((field) => [field.id, field])),
  };
}
