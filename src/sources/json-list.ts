import { looksLikeEndpoint } from '../core/endpoint.js';
import { isSkipped } from '../core/line.js';
import { protocolOfMetadata } from '../core/protocol.js';
import { eachLine } from './decode.js';
import type { Harvest } from './harvest.js';
import { elementLines } from './json-lines.js';
import { readRecord } from './record.js';
import { isRecord, toFields } from './record-fields.js';

/** Where the records lie in a document: the keys that lead to them, and what they are. */
interface Rows {
  readonly path: readonly string[];
  readonly values: readonly unknown[];
  /** Of `{ "socks5": ["203.0.113.7:1080"] }`: strings below it without a scheme have this one. */
  readonly protocol?: string;
  /** Its name says nothing of proxies, but there are some beside it: what looks like one is rejected, not passed over. */
  readonly isStray?: true;
}

const envelopes = ['proxies', 'data', 'results', 'items', 'list'];

/** An array of strings or objects, bare or in an envelope; or a single object. */
export function readJsonList(harvest: Harvest, text: string): void {
  const document = parse(text);
  if (document === undefined) {
    harvest.reject(1, 'json-syntax', 'The document is not valid JSON');
    return;
  }
  const groups = findRows(document.value);
  if (groups === undefined) readRow(harvest, 1, document.value);
  for (const group of groups ?? []) {
    const lines = elementLines(text, group.path);
    for (const [index, value] of group.values.entries())
      readRowOf(group, harvest, lines[index] ?? index + 1, value);
  }
}

/** A JSON value on each line; an array on a line is read like a document of its own. */
export function readJsonLines(harvest: Harvest, text: string): void {
  eachLine(text, (line, number) => {
    if (isSkipped(line)) return;
    const document = parse(line);
    if (document === undefined) {
      harvest.reject(number, 'json-syntax', 'The line is not valid JSON');
      return;
    }
    const groups = findRows(document.value);
    if (groups === undefined) readRow(harvest, number, document.value);
    for (const group of groups ?? [])
      for (const value of group.values) readRowOf(group, harvest, number, value);
  });
}

/** The engine's own message is dropped: it quotes the input. */
function parse(text: string): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) };
  } catch {
    return undefined;
  }
}

function findRows(value: unknown, path: readonly string[] = []): Rows[] | undefined {
  if (Array.isArray(value)) return [{ path, values: value }];
  if (typeof value !== 'object' || value === null || isRecordObject(value)) return undefined;
  const found: Rows[] = [];
  const strays: Rows[] = [];
  for (const [key, inner] of Object.entries(value)) {
    const protocol = protocolOfMetadata(key);
    const place = [...path, key];
    if (Array.isArray(inner) && protocol !== undefined) found.push({ path: place, values: inner, protocol });
    else if (path.length < 2 && envelopes.includes(key)) found.push(...(findRows(inner, place) ?? []));
    else if (Array.isArray(inner)) strays.push({ path: place, values: inner, isStray: true });
  }
  if (found.length === 0) return undefined;
  // `{ "data": [...], "list": [1, 2] }`: one of them is something else.
  const lists = found.filter(({ values }) => values.some(isTextOrObject));
  return [...(lists.length === 0 ? found : lists), ...strays];
}

/** `{ "proxies": [...] }` is an envelope, though `proxy` is the name of a field. */
function isRecordObject(value: object): boolean {
  return isRecord(value) && !envelopes.some((key) => Array.isArray((value as Record<string, unknown>)[key]));
}

function readRowOf({ protocol, isStray }: Rows, harvest: Harvest, line: number, value: unknown): void {
  if (!isStray) readRow(harvest, line, value, protocol);
  else if (looksLikeProxy(value))
    harvest.reject(line, 'unknown-shape', 'The name of its list is neither that of a list nor a protocol');
}

function isTextOrObject(value: unknown): boolean {
  return typeof value === 'string' || (typeof value === 'object' && value !== null);
}

function looksLikeProxy(value: unknown): boolean {
  if (typeof value === 'string') return value.includes('://') || looksLikeEndpoint(value.trim());
  return typeof value === 'object' && value !== null && isRecord(value);
}

function readRow(harvest: Harvest, line: number, value: unknown, protocol?: string): void {
  if (typeof value === 'string') {
    harvest.read(
      line,
      protocol === undefined || value.includes('://') ? value : `${protocol}://${value.trim()}`,
    );
  } else if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    const fields = new Map(toFields(value));
    if (protocol !== undefined && !fields.has('protocol')) fields.set('protocol', protocol);
    readRecord(harvest, line, fields);
  } else harvest.reject(line, 'unknown-shape', 'The record is neither a text nor an object');
}
