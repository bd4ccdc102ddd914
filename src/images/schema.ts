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

interface FieldJson {
  rule?: 'required' | 'repeated';
  type: string;
  id: number;
  options?: Record<string, unknown>;
}

interface EnumJson {
  values: Record<string, number>;
}

interface MessageJson {
  fields: Record<string, FieldJson>;
  nested?: Record<string, EnumJson>;
}

const NOTHING_SPECIAL: Display = {};
const messages = new Map<MessageName, Message>();

/** A message's fields. */
export function messageOf(name: MessageName): Message {
  let message = messages.get(name);
  if (!message) messages.set(name, (message = parse(name)));
  return message;
}

function parse(name: MessageName): Message {
  const json = JSON.parse(descriptors[name]) as MessageJson;
  const fields = Object.entries(json.fields)
    .map(([fieldName, field]) => toField(fieldName, field, json))
    .sort((a, b) => a.id - b.id);
  return {
    name,
    fields,
    byName: new Map(fields.map((field) => [field.name, field])),
    byId: new Map(fields.map((field) => [field.id, field])),
  };
}

function toField(name: string, { rule, type, id, options }: FieldJson, owner: MessageJson): Field {
  const field = { name, id, rule: rule ?? ('optional' as const), display: toDisplay(options) };
  const nested = owner.nested?.[type];
  if (nested) return { ...field, type: 'enum', values: nested.values };
  if (!(type in descriptors)) return { ...field, type };
  const text = descriptors[type as keyof typeof descriptors];
  if (!text.startsWith('{"values"')) {
    return { ...field, type: 'message', message: type as MessageName };
  }
  return { ...field, type: 'enum', values: (JSON.parse(text) as EnumJson).values };
}

function toDisplay(options: Record<string, unknown> | undefined): Display {
  if (!options) return NOTHING_SPECIAL;
  const shown = Object.entries(options).map(([key, value]) => [
    /^\(criu\)\.(\w+)$/.exec(key)?.[1],
    value,
  ]);
  return Object.fromEntries(shown.filter(([key]) => key)) as Display;
}
