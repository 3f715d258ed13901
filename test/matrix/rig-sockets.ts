import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** File descriptors that this process holds. Linux only. */
export function fdCount(): number {
  // Listing the folder holds one of its own.
  return readdirSync('/proc/self/fd').length - 1;
}

/** TCP sockets of this process whose other end is this port, in any state but TIME_WAIT. Linux only. */
export function socketsTo(port: number): number {
  const own = ownInodes();
  const wanted = port.toString(16).toUpperCase().padStart(4, '0');
  return ['/proc/self/net/tcp', '/proc/self/net/tcp6']
    .flatMap((table) => readFileSync(table, 'utf8').trim().split('\n').slice(1))
    .map((line) => line.trim().split(/\s+/))
    .filter((field) => field[2]?.split(':')[1] === wanted && own.has(field[9] ?? '')).length;
}

/** Unix sockets of this process: its channels to other processes, no part of what goes over the network. Linux only. */
export function channelCount(): number {
  const own = ownInodes();
  const lines = readFileSync('/proc/self/net/unix', 'utf8').trim().split('\n').slice(1);
  return lines.filter((line) => own.has(line.trim().split(/\s+/)[6] ?? '')).length;
}

function ownInodes(): Set<string> {
  const inodes = new Set<string>();
  for (const fd of readdirSync('/proc/self/fd')) {
    try {
      const inode = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/self/fd/${fd}`))?.[1];
      if (inode !== undefined) inodes.add(inode);
    } catch {
      // Closed since the folder was listed.
    }
  }
  return inodes;
}
