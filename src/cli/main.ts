#!/usr/bin/env node
import { watchInterruption } from './interruption.js';
import { runProgram } from './program.js';
import { Terminal } from './terminal.js';

const { stdout, stderr, stdin, env } = process;
// Who reads has seen enough: `proxywhirl list | head`.
stdout.on('error', ({ code }: NodeJS.ErrnoException) => {
  if (code === 'EPIPE') process.exit();
});
// Nobody reads the log any more: what a server is for goes on without it.
stderr.on('error', () => {});
// Not exit(): what was written into a pipe would be lost.
process.exitCode = await runProgram(
  {
    terminal: new Terminal({ stdout, stderr, env }),
    env,
    cwd: process.cwd(),
    stdin,
    ...watchInterruption(process),
  },
  process.argv.slice(2),
);
