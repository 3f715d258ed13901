import { Worker } from 'node:worker_threads';
import type { SqliteThreadSettings } from './sqlite-worker.js';

/** Starts the thread that holds the database. */
export function startSqliteThread(settings: SqliteThreadSettings): Worker {
  const here = import.meta.url;
  // Flags of the process, such as --input-type, are about its own program, and would end the thread.
  const options = { workerData: settings, execArgv: [] };
  if (here.endsWith('.js')) return new Worker(new URL('./sqlite-worker.js', here), options);
  // Run from the sources, as tests and examples do: Node 20 cannot load them, and a loader of the process does
  // not reach a new thread.
  const body = new URL('./sqlite-worker.ts', here).href;
  return new Worker(`require('tsx/esm/api').register(); import(${JSON.stringify(body)})`, {
    ...options,
    eval: true,
  });
}
