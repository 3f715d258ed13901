import { readdirSync, readFileSync } from 'node:fs';
import Table from 'cli-table3';
import { describe, expect, it } from 'vitest';
import { clientNames, evidenceKey, type OutcomeCase, withExpected } from '../../scripts/outcomes/case.js';
import { rebuildError } from '../../scripts/outcomes/serial-error.js';
import { plansOf, situations } from '../../scripts/outcomes/situations.js';
import type { Verdict } from '../../src/core/outcome.js';
import { detectBlock } from '../../src/transport/block-page.js';
import { classify } from '../../src/transport/classify.js';

const folder = new URL('../../fixtures/outcomes/', import.meta.url);

const corpus: readonly OutcomeCase[] = clientNames.flatMap((name) =>
  readFileSync(new URL(`${name}.jsonl`, folder), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as OutcomeCase),
);

/** As the integrations do it: the answer is looked at, and what was found goes with the error. */
function judge({ phase, scheme, reply, error }: OutcomeCase): Verdict {
  const plainHttp = scheme === 'http';
  const url = `${scheme}://localhost/`;
  return classify({
    phase,
    plainHttp,
    ...(error !== undefined && { error: rebuildError(error) }),
    ...(reply !== undefined && {
      status: reply.status,
      finding: detectBlock({ ...reply, url, plainHttp }, 0),
    }),
  });
}

const judged = corpus.map((one) => ({ ...one, verdict: judge(one) }));
type Judged = (typeof judged)[number];

const ids = (cases: readonly Judged[]): string[] => cases.map(({ id, verdict }) => `${id}: ${verdict}`);
const share = (cases: readonly Judged[]): number =>
  cases.filter(({ verdict, expected }) => verdict === expected).length / cases.length;
const percent = (part: number): string => `${(part * 100).toFixed(1)} %`;

const verdicts = ['success', 'proxy', 'auth', 'banned', 'target', 'ambiguous', 'local', 'neutral'] as const;

/** Rows say who did it, columns what was made of it. */
function confusion(cases: readonly Judged[]): string {
  const table = new Table({ head: ['did it', ...verdicts], style: { head: [], border: [] } });
  for (const truth of verdicts) {
    const row = cases.filter((one) => one.truth === truth);
    if (row.length === 0) continue;
    table.push([
      truth,
      ...verdicts.map((verdict) => row.filter((one) => one.verdict === verdict).length || ''),
    ]);
  }
  return table.toString();
}

function byClient(): string {
  const head = ['client', 'cases', 'https', 'exactly right', 'http', 'exactly right'];
  const table = new Table({ head, style: { head: [], border: [] } });
  for (const name of clientNames) {
    const all = judged.filter(({ client }) => client === name);
    const cells = (['https', 'http'] as const).flatMap((scheme) => {
      const some = all.filter((one) => one.scheme === scheme);
      return some.length === 0 ? ['', ''] : [some.length, percent(share(some))];
    });
    table.push([name, all.length, ...cells]);
  }
  return table.toString();
}

const https = judged.filter(({ scheme }) => scheme === 'https');

describe('the corpus of outcomes', () => {
  it('is judged as the tables say', () => {
    const http = judged.filter(({ scheme }) => scheme === 'http');
    console.log(`https targets, ${https.length} cases\n${confusion(https)}`);
    console.log(`http targets, ${http.length} cases\n${confusion(http)}`);
    console.log(byClient());
    expect(judged.length).toBeGreaterThanOrEqual(200);
  });

  it('charges no proxy, with weight 1, with what a target, a ban or we ourselves did', () => {
    const charged = judged.filter(
      ({ truth, verdict }) =>
        truth !== 'proxy' && truth !== 'auth' && (verdict === 'proxy' || verdict === 'auth'),
    );
    expect(ids(charged)).toEqual([]);
  });

  it('charges no target with what a proxy did, and takes no proxy for a target that answers', () => {
    const byProxy = judged.filter(({ truth }) => truth === 'proxy' || truth === 'auth');
    expect(ids(byProxy.filter(({ verdict }) => verdict === 'target'))).toEqual([]);
    const forged = byProxy.filter(
      ({ scheme, verdict }) => scheme === 'https' && ['success', 'banned'].includes(verdict),
    );
    expect(ids(forged)).toEqual([]);
  });

  it('is exactly right for 95 % of the https targets, whatever the client', () => {
    const wrong = https.filter(({ verdict, expected }) => verdict !== expected);
    console.log(wrong.map((one) => `${one.id}: ${one.verdict}, not ${one.expected}`).join('\n'));
    expect(share(https)).toBeGreaterThanOrEqual(0.95);
  });
});

describe('its labels', () => {
  it('take for ambiguous only what a client shows of a fault of the proxy and of another', () => {
    expect(withExpected(corpus)).toEqual(corpus);
    const truths = new Map<string, Set<string>>();
    for (const one of corpus) {
      const key = evidenceKey(one);
      truths.set(key, (truths.get(key) ?? new Set()).add(one.truth));
    }
    const ambiguous = corpus.filter(({ expected }) => expected === 'ambiguous');
    const alone = ambiguous.filter((one) => truths.get(evidenceKey(one))?.size === 1);
    expect(alone.map(({ id }) => id)).toEqual([]);
  });

  it('are those of the situations, and none of these is missing', () => {
    for (const client of clientNames) {
      const planned = plansOf(client).map(({ situation, scheme, kind }) => ({
        id: `${client}/${kind}/${scheme}/${situation.id}`,
        truth: situation.truth,
      }));
      const recorded = corpus.filter((one) => one.client === client);
      expect(recorded.map(({ id, truth }) => ({ id, truth }))).toEqual(planned);
    }
    expect(new Set(corpus.map(({ situation }) => situation))).toEqual(
      new Set(situations.map(({ id }) => id)),
    );
  });

  it('are of no other file', () => {
    const files = readdirSync(folder).filter((file) => file.endsWith('.jsonl'));
    expect(files.sort()).toEqual(clientNames.map((name) => `${name}.jsonl`).sort());
  });

  it('come with no port, no password and no path of the machine that recorded them', () => {
    const text = JSON.stringify(corpus);
    expect(text).not.toMatch(/(?:127\.0\.0\.1|localhost):[1-9]/);
    expect(text).not.toMatch(/user:lab|Proxy-Authorization: Basic|file:\/\/|\/node_modules\//i);
  });
});
