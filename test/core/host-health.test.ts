import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { evidenceFrom, HostHealth, type HostHealthSettings } from '../../src/core/host-health.js';
import { constantly } from '../support/test-engine.js';

const settings: HostHealthSettings = {
  cooldownMs: 30_000,
  maxCooldownMs: 900_000,
  jitter: 0.5,
  maxPairs: 1000,
};
const hosts = (more: Partial<HostHealthSettings> = {}, random = constantly(0)): HostHealth =>
  new HostHealth({ ...settings, ...more }, random);

describe('bans', () => {
  it('cool down one (proxy, host) pair and nothing else', () => {
    const subject = hosts();
    subject.ban('a.test', 'p1', 1000);
    expect(subject.isCooling('a.test', 'p1', 1000)).toBe(true);
    expect(subject.isCooling('a.test', 'p2', 1000)).toBe(false);
    expect(subject.isCooling('b.test', 'p1', 1000)).toBe(false);
    expect([subject.hasBans('a.test'), subject.hasBans('b.test')]).toEqual([true, false]);
  });

  it('end at their time and not before', () => {
    const subject = hosts();
    subject.ban('a.test', 'p1', 1000);
    expect(subject.isCooling('a.test', 'p1', 30_999)).toBe(true);
    expect(subject.isCooling('a.test', 'p1', 31_000)).toBe(false);
  });

  it('double in a row up to the cap', () => {
    const subject = hosts();
    const lengths = Array.from({ length: 7 }, () => subject.ban('a.test', 'p1', 1000));
    expect(lengths).toEqual([30_000, 60_000, 120_000, 240_000, 480_000, 900_000, 900_000]);
  });

  it('start over after a success of the pair', () => {
    const subject = hosts();
    subject.ban('a.test', 'p1', 1000);
    subject.success('a.test', 'p1', 1000);
    expect(subject.isCooling('a.test', 'p1', 1000)).toBe(false);
    expect(subject.hasBans('a.test')).toBe(false);
    expect(subject.ban('a.test', 'p1', 1000)).toBe(30_000);
  });

  it('met by several requests that were under way together are one', () => {
    const subject = hosts();
    const lengths = [1000, 1100, 1200].map((now) => subject.ban('a.test', 'p1', now, undefined, 900));
    expect(lengths).toEqual([30_000, 29_900, 29_800]);
    expect(subject.ban('a.test', 'p1', 1300, 60_000, 900)).toBe(60_000);
    expect(subject.ban('a.test', 'p1', 90_000, undefined, 89_000)).toBe(60_000);
  });

  it('are not lifted by a success of the pair that began before', () => {
    const subject = hosts();
    subject.ban('a.test', 'p1', 1000);
    subject.success('a.test', 'p1', 1100, 900);
    expect(subject.isCooling('a.test', 'p1', 1100)).toBe(true);
    subject.success('a.test', 'p1', 1200, 1000);
    expect(subject.isCooling('a.test', 'p1', 1200)).toBe(false);
  });

  it('are not lifted by the success of another proxy', () => {
    const subject = hosts();
    subject.ban('a.test', 'p1', 1000);
    subject.success('a.test', 'p2', 1000);
    expect(subject.isCooling('a.test', 'p1', 1000)).toBe(true);
  });

  it.each([
    { asked: 1, ms: 1_000 },
    { asked: 90_000, ms: 90_000 },
    { asked: 1e9, ms: 300_000 },
    { asked: 0, ms: 30_000 },
    { asked: -5, ms: 30_000 },
    { asked: Number.NaN, ms: 30_000 },
    { asked: Number.POSITIVE_INFINITY, ms: 30_000 },
  ])('last $ms ms when the target asks for $asked ms', ({ asked, ms }) => {
    expect(hosts().ban('a.test', 'p1', 1000, asked)).toBe(ms);
  });

  it('are stretched by chance, by half of themselves at most', () => {
    expect(hosts({}, constantly(0.8)).ban('a.test', 'p1', 1000)).toBe(30_000 * 1.4);
  });

  it('are bounded: the least recently banned pair is forgotten first, with its host', () => {
    const subject = hosts({ maxPairs: 2 });
    subject.ban('a.test', 'p1', 1000);
    subject.ban('b.test', 'p1', 1000);
    subject.ban('a.test', 'p1', 1000);
    subject.ban('c.test', 'p1', 1000);
    expect(['a.test', 'b.test', 'c.test'].map((host) => subject.hasBans(host))).toEqual([true, false, true]);
    expect(subject.isCooling('b.test', 'p1', 1000)).toBe(false);
  });

  it('count per host as a plain map of pairs would, whatever is banned, lifted and forgotten', () => {
    const names = fc.constantFrom('a', 'b', 'c');
    const step = fc.record({ kind: fc.constantFrom('ban', 'ban', 'success'), host: names, proxy: names });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60, size: 'max' }), (steps) => {
        const subject = hosts({ maxPairs: 4 });
        let model: string[] = [];
        for (const { kind, host, proxy } of steps) {
          const pair = `${host} ${proxy}`;
          model = model.filter((other) => other !== pair);
          if (kind === 'success') subject.success(host, proxy, 1000);
          else {
            subject.ban(host, proxy, 1000);
            model = [...model, pair].slice(-4);
          }
          for (const name of ['a', 'b', 'c']) {
            expect(subject.hasBans(name)).toBe(model.some((other) => other.startsWith(name)));
            expect(subject.isCooling(name, 'a', 1000)).toBe(model.includes(`${name} a`));
          }
        }
      }),
    );
  });
});

describe('evidence that a host works', () => {
  it('is a success since the attempt started, or of the last ten seconds', () => {
    const subject = hosts();
    expect(subject.answeredSince('a.test', 0, 1000)).toBe(false);
    subject.success('a.test', 'p1', 50_000);
    expect(subject.answeredSince('a.test', 40_000, 100_000)).toBe(true);
    expect(subject.answeredSince('a.test', 55_000, 60_000)).toBe(true);
    expect(subject.answeredSince('a.test', 55_000, 60_001)).toBe(false);
    expect(subject.answeredSince('b.test', 0, 50_000)).toBe(false);
  });

  it('reaches back to whichever is earlier', () => {
    expect([evidenceFrom(100, 50_000), evidenceFrom(45_000, 50_000)]).toEqual([100, 40_000]);
  });
});
