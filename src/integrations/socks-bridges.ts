import { LRUCache } from 'lru-cache';
import type { Clock } from '../core/clock.js';
import type { Proxy } from '../core/proxy.js';
import type { Rotator } from '../core/rotator.js';
import type { TunnelError } from '../transport/tunnel-error.js';
import { WireMeter } from '../transport/wire-meter.js';
import { type ClientEngine, onEngineClose } from './client-engine.js';
import { AgentPool } from './got-agents.js';
import { SocksBridge } from './socks-bridge.js';

/** Bridges that are open at the same time, each on a port; the one that was used least recently closes first. */
const MAX_BRIDGES = 1_000;

const ofEngines = new WeakMap<Rotator, SocksBridges>();

/** The bridges of this engine; they close with it. */
export function bridgesOf(engine: ClientEngine): SocksBridges {
  const { rotator } = engine;
  const present = ofEngines.get(rotator);
  if (present !== undefined) return present;
  const bridges = new SocksBridges(rotator);
  ofEngines.set(rotator, bridges);
  rotator.on('pool', ({ proxyId, change }) => {
    if (change === 'removed') bridges.drop(proxyId);
  });
  onEngineClose(engine, async () => bridges.close());
  return bridges;
}

/** The bridges of one engine, each opened when its proxy is first handed out. */
export class SocksBridges {
  readonly #clock: Clock;
  readonly #meter: WireMeter;
  readonly #agents: AgentPool;
  readonly #open = new LRUCache<string, SocksBridge>({
    max: MAX_BRIDGES,
    dispose: (bridge) => bridge.close(),
  });

  constructor(rotator: Rotator) {
    this.#clock = rotator.clock;
    this.#meter = new WireMeter(rotator);
    this.#agents = new AgentPool(undefined, this.#meter);
  }

  /**
   * URL of a bridge to this proxy, which listens by then.
   * @throws what Node says where no port can be had
   */
  async urlFor(proxy: Proxy): Promise<string> {
    const present = this.#open.get(proxy.id);
    if (present !== undefined) return present.url;
    const { http: agent } = this.#agents.agentsFor(proxy);
    const onUse = (): void => void this.#open.get(proxy.id);
    const bridge = new SocksBridge({ proxy, agent, meter: this.#meter, clock: this.#clock, onUse });
    this.#open.set(proxy.id, bridge);
    try {
      return await bridge.url;
    } catch (error) {
      if (this.#open.peek(proxy.id) === bridge) this.#open.delete(proxy.id);
      throw error;
    }
  }

  /** Why the proxy led nobody to the target of this URL, as far as that happened since `since`, in ms of the clock. */
  faultOf(proxyId: string, url: string, since: number): TunnelError | undefined {
    return this.#open.peek(proxyId)?.faultOf(url, since);
  }

  /** The proxy is gone, and what goes through it ends. */
  drop(proxyId: string): void {
    this.#open.delete(proxyId);
    this.#agents.drop(proxyId);
  }

  close(): void {
    this.#open.clear();
    this.#agents.close();
  }
}
