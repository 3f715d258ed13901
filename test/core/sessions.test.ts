import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isSessionId, type SessionSettings, Sessions } from '../../src/core/sessions.js';
import { SessionIdError, SessionNotFoundError } from '../../src/errors.js';
import { FakeClock } from '../support/fake-clock.js';

function sessions(more: Partial<SessionSettings> = {}): { subject: Sessions; clock: FakeClock } {
  const clock = new FakeClock();
  const settings = { idleTimeoutSeconds: 1800, maxAgeSeconds: null, maxSessions: 1000, ...more };
  return { subject: new Sessions(settings, clock), clock };
}

describe('a session', () => {
  it('R-10 has id, proxy id, created, last used and expiry times, and a request count', () => {
    const { subject, clock } = sessions();
    subject.use('s', 'p1');
    clock.advance(500);
    subject.use('s', 'p1');
    expect(subject.get('s')).toEqual({
      id: 's',
      proxyId: 'p1',
      createdAt: 1000,
      lastUsedAt: 1500,
      expiresAt: 1_801_500,
      requestCount: 2,
      bytes: 0,
    });
  });

  it('R-10 keeps its age and count when it moves to another proxy', () => {
    const { subject, clock } = sessions();
    subject.use('s', 'p1');
    clock.advance(500);
    subject.use('s', 'p2');
    expect(subject.get('s')).toMatchObject({ proxyId: 'p2', createdAt: 1000, requestCount: 2 });
  });

  it('R-23 is an error to get when there is none, and the error does not repeat the id', () => {
    const { subject } = sessions();
    expect(subject.find('secret-of-its-owner')).toBeUndefined();
    const error = (() => {
      try {
        return subject.get('secret-of-its-owner');
      } catch (thrown) {
        return thrown;
      }
    })();
    expect(error).toBeInstanceOf(SessionNotFoundError);
    expect(JSON.stringify(error) + String(error)).not.toContain('secret-of-its-owner');
  });

  it('leaves the proxy that failed it, and only that one', () => {
    const { subject } = sessions();
    subject.use('s', 'p1');
    subject.leave('s', 'p2');
    expect(subject.binding('s')).toMatchObject({ proxyId: 'p1', leaving: false });
    subject.leave('s', 'p1');
    expect(subject.binding('s')).toMatchObject({ proxyId: 'p1', leaving: true });
    subject.use('s', 'p3');
    expect(subject.binding('s')).toMatchObject({ proxyId: 'p3', leaving: false });
  });
});

describe('expiry', () => {
  it('R-11 comes after 1800 idle seconds, and each use puts it off', () => {
    const { subject, clock } = sessions();
    subject.use('s', 'p1');
    clock.advance(1_799_999);
    subject.use('s', 'p1');
    clock.advance(1_799_999);
    expect(subject.find('s')).toBeDefined();
    clock.advance(1);
    expect(subject.find('s')).toBeUndefined();
  });

  it('R-11 is not put off by looking', () => {
    const { subject, clock } = sessions();
    subject.use('s', 'p1');
    clock.advance(1_000_000);
    subject.find('s');
    subject.binding('s');
    clock.advance(800_000);
    expect(subject.binding('s')).toBeUndefined();
  });

  it('R-11 comes at the absolute age, however busy the session is', () => {
    const { subject, clock } = sessions({ maxAgeSeconds: 10 });
    for (let second = 0; second < 10; second++) {
      subject.use('s', 'p1');
      expect(subject.get('s').expiresAt).toBe(11_000);
      clock.advance(1000);
    }
    expect(subject.find('s')).toBeUndefined();
    subject.use('s', 'p2');
    expect(subject.get('s')).toMatchObject({ createdAt: 11_000, requestCount: 1 });
  });

  it('R-11 sweep ends the expired ones and returns how many there were', () => {
    const { subject, clock } = sessions();
    for (let i = 0; i < 30; i++) subject.use(`old-${i}`, 'p1');
    clock.advance(1_800_000);
    for (let i = 0; i < 20; i++) subject.use(`new-${i}`, 'p1');
    expect([...subject.list()].map(({ id }) => id).every((id) => id.startsWith('new-'))).toBe(true);
    expect([subject.size, subject.sweep(), subject.size, subject.sweep()]).toEqual([50, 30, 20, 0]);
  });
});

describe('the bound', () => {
  it('R-11 ends the least recently used session beyond the limit', () => {
    const { subject } = sessions({ maxSessions: 3 });
    for (const id of ['a', 'b', 'c']) subject.use(id, 'p1');
    subject.use('a', 'p1');
    subject.find('b');
    subject.use('d', 'p1');
    expect(['a', 'b', 'c', 'd'].filter((id) => subject.find(id) !== undefined)).toEqual(['a', 'c', 'd']);
  });

  it('R-11 holds 100,000 sessions at once, each with its own proxy', () => {
    const { subject } = sessions({ maxSessions: 100_000 });
    for (let i = 0; i < 100_000; i++) subject.use(`s${i}`, `p${i % 97}`);
    expect(subject.size).toBe(100_000);
    const wrong = Array.from({ length: 100_000 }, (_, i) => i).filter(
      (i) => subject.find(`s${i}`)?.proxyId !== `p${i % 97}`,
    );
    expect(wrong).toEqual([]);
  });

  it('R-11 close ends one session, once', () => {
    const { subject } = sessions();
    subject.use('a', 'p1');
    subject.use('b', 'p1');
    expect([subject.close('a'), subject.close('a'), subject.find('a'), subject.size]).toEqual([
      true,
      false,
      undefined,
      1,
    ]);
  });
});

describe('ids', () => {
  const allowed = fc.constantFrom(...'ABCxyz019._~-');

  it('R-11 are 1 to 128 of A-Z a-z 0-9 . _ ~ -', () => {
    fc.assert(
      fc.property(fc.string({ unit: allowed, minLength: 1, maxLength: 128 }), (id) => {
        const { subject } = sessions();
        subject.use(id, 'p1');
        expect(subject.get(id).id).toBe(id);
      }),
    );
  });

  it.each(['', 'a b', 'a/b', 'a\n', 'ä', 'a'.repeat(129), 'a:b', '__proto__\u0000'])(
    'R-11 are refused otherwise: %j',
    (id) => {
      const { subject } = sessions();
      expect(isSessionId(id)).toBe(false);
      expect(() => subject.use(id, 'p1')).toThrow(SessionIdError);
      expect(subject.size).toBe(0);
    },
  );

  it('R-11 may be names that objects have by birth', () => {
    const { subject } = sessions();
    for (const id of ['__proto__', 'constructor', 'toString']) {
      expect(subject.find(id)).toBeUndefined();
      subject.use(id, 'p1');
      expect(subject.get(id).proxyId).toBe('p1');
    }
  });
});
