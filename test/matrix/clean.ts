import { inFlight, type Sender } from './engine.js';
import { atMost, exactly, type Figure } from './fault-row.js';
import { socketsTo } from './rig.js';
import { channelCount, fdCount } from './rig-sockets.js';

/** Descriptors that may be more or fewer than before. */
const SLACK = 5;
/** A socket that was destroyed is closed in the next turns of the event loop. */
const TURNS = 50;

/** Remembers what this process holds; the result says what it holds more of when a fault is over. */
export function cleanAfter(): (
  ports: readonly number[],
  ...senders: readonly Pick<Sender, 'rotator'>[]
) => Promise<Figure[]> {
  const before = held();
  return async (ports, ...senders) => {
    const sockets = (): number => ports.reduce((sum, port) => sum + socketsTo(port), 0);
    for (let turn = 0; turn < TURNS && sockets() > 0; turn++)
      await new Promise((resolve) => setImmediate(resolve));
    return [
      exactly('sockets left', sockets(), 0),
      atMost('descriptors more or fewer', Math.abs(held() - before), SLACK),
      exactly('in flight', inFlight(...senders), 0),
    ];
  };
}

/** Without the channels to the rig's processes, which come and go with those. */
function held(): number {
  return fdCount() - channelCount();
}
