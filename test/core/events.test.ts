import { describe, expect, it } from 'vitest';
import { Events } from '../../src/core/events.js';

const change = { proxyId: 'p1', change: 'added' } as const;

describe('Events', () => {
  it('hands a payload to each listener of that name, in the order in which they subscribed', () => {
    const events = new Events();
    const heard: string[] = [];
    events.on('pool', () => heard.push('first'));
    events.on('strategy', () => heard.push('other'));
    events.on('pool', ({ proxyId }) => heard.push(proxyId));
    events.emit('pool', change);
    expect(heard).toEqual(['first', 'p1']);
  });

  it('stops at once for a listener that unsubscribes, even from within', () => {
    const events = new Events();
    let calls = 0;
    const stop = events.on('pool', () => {
      calls += 1;
      stop();
    });
    events.emit('pool', change);
    events.emit('pool', change);
    stop();
    expect([calls, events.wants('pool')]).toEqual([1, false]);
  });

  it('says whether anybody listens', () => {
    const events = new Events();
    expect(events.wants('pool')).toBe(false);
    events.on('pool', () => {});
    expect([events.wants('pool'), events.wants('strategy')]).toEqual([true, false]);
  });

  it('contains a listener that throws: the others hear it, and listener-error tells which', () => {
    const events = new Events();
    const heard: unknown[] = [];
    const error = new Error('of the listener');
    events.on('listener-error', (payload) => heard.push(payload));
    events.on('pool', () => {
      throw error;
    });
    events.on('pool', (payload) => heard.push(payload));
    events.emit('pool', change);
    expect(heard).toEqual([{ event: 'pool', error }, change]);
  });

  it('ends there when the listener of errors throws as well', () => {
    const events = new Events();
    for (const name of ['listener-error', 'pool'] as const) {
      events.on(name, () => {
        throw new Error(name);
      });
    }
    expect(() => events.emit('pool', change)).not.toThrow();
  });
});
