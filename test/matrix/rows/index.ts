import type { FaultRow } from '../fault-row.js';
import { banRows } from './bans.js';
import { bodyRows } from './body.js';
import { connectRows } from './connect.js';
import { credentialRows } from './credentials.js';
import { drainRows } from './drain.js';
import { headRows } from './head.js';
import { healthRows } from './health.js';
import { nameRows } from './names.js';
import { nonsenseRows } from './nonsense.js';
import { poolRows } from './pool.js';
import { statusRows } from './status.js';
import { stormRows } from './storm.js';
import { tlsRows } from './tls.js';

/** Every row of the table that this engine answers for, by number. */
export const faultRows: readonly FaultRow[] = [
  ...connectRows,
  ...bodyRows,
  ...headRows,
  ...credentialRows,
  ...tlsRows,
  ...nameRows,
  ...nonsenseRows,
  ...statusRows,
  ...banRows,
  ...healthRows,
  ...poolRows,
  ...stormRows,
  ...drainRows,
].sort((a, b) => a.number - b.number);
