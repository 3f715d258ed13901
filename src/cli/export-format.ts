import { extname } from 'node:path';
import type { ExportFormat } from '../sources/export.js';
import { UsageError } from './usage-error.js';

const formats: Readonly<Record<string, ExportFormat>> = {
  '.txt': 'txt',
  '.json': 'json',
  '.jsonl': 'jsonl',
  '.ndjson': 'jsonl',
  '.csv': 'csv',
};

/**
 * By the flag, else by the extension of the file.
 * @throws UsageError
 */
export function formatOf(path: string | undefined, given?: string): ExportFormat {
  const extension = given === undefined ? extname(path ?? 'list.txt').toLowerCase() : `.${given}`;
  const format = Object.hasOwn(formats, extension) ? formats[extension] : undefined;
  if (format === undefined) throw new UsageError('A list is written as .txt, .json, .jsonl or .csv.');
  return format;
}
