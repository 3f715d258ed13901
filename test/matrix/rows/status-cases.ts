import type { LabProxyKind } from '../../../src/lab/index.js';
import type { TargetAnswer } from '../rig.js';

/** An answer with a label: who made it. */
export interface StatusCase {
  readonly group: string;
  readonly secure: boolean;
  readonly madeBy: 'proxy' | 'target';
  readonly kind: LabProxyKind;
  readonly answer: Said & { readonly status: number };
  /** What the same host says to the two others just before: nothing, as nobody asks, the same, or 200. */
  readonly others: 'unknown' | 'the same' | 'served';
  /** What may be charged to the proxy. */
  readonly right: readonly string[];
}

type Said = Pick<TargetAnswer, 'headers' | 'body'> & { readonly headers?: Readonly<Record<string, string>> };
type Group = Omit<StatusCase, 'answer' | 'kind'> & {
  readonly kinds: readonly LabProxyKind[];
  readonly answers: readonly Said[];
};

const html = { 'content-type': 'text/html' };
const body = '<html><head><title>Error</title></head><body><p>It does not work.</p></body></html>';

/** What says nothing of who speaks. */
const plain: readonly Said[] = [
  {},
  { headers: html, body },
  { headers: { 'retry-after': '7' } },
  { headers: { ...html, server: 'nginx' }, body },
];
/** Marks of a forward proxy that speaks for itself. */
const ofProxy: readonly Said[] = [
  { headers: { 'proxy-status': 'gate; error=connection_refused' } },
  { headers: { ...html, 'x-squid-error': 'ERR_CONNECT_FAIL 111' }, body },
  { headers: { ...html, server: 'squid/5.7', via: '1.1 gate (squid/5.7)' }, body },
  { headers: { ...html, server: 'tinyproxy/1.11.1' }, body },
];
/** Marks of an answer that a proxy has passed on. */
const passedOn: readonly Said[] = [
  { headers: { via: '1.1 gate' } },
  { headers: { ...html, via: '1.1 gate (squid/5.7)', server: 'nginx' }, body },
  { headers: { ...html, via: '1.1 varnish, 1.1 gate' }, body },
  { headers: { via: '1.1 gate', 'proxy-status': 'gate; received-status=503' } },
];
const all = [...plain, ...ofProxy, ...passedOn];
const http: readonly LabProxyKind[] = ['http', 'https'];
const shared = { ambiguously: ['ambiguous', 'proxy'], target: ['target'], nobodyKnows: ['ambiguous'] };

const secure = { secure: true, others: 'unknown' } as const;
const inTheClear = { secure: false, others: 'unknown', kinds: http } as const;
const groups: readonly Group[] = [
  { ...secure, group: 'CONNECT', madeBy: 'proxy', answers: all, kinds: http, right: shared.ambiguously },
  {
    ...secure,
    group: 'inside the tunnel',
    madeBy: 'target',
    answers: all,
    kinds: ['http', 'socks5'],
    right: shared.target,
  },
  { ...inTheClear, group: 'marks of a proxy', madeBy: 'proxy', answers: ofProxy, right: shared.ambiguously },
  { ...inTheClear, group: 'passed on', madeBy: 'target', answers: passedOn, right: shared.target },
  // Without evidence, half of the weight is what is right.
  { ...inTheClear, group: 'no evidence', madeBy: 'proxy', answers: plain, right: shared.nobodyKnows },
  { ...inTheClear, group: 'no evidence', madeBy: 'target', answers: plain, right: shared.nobodyKnows },
  {
    ...inTheClear,
    group: 'two others say the same',
    madeBy: 'target',
    answers: plain,
    others: 'the same',
    right: shared.target,
  },
  {
    ...inTheClear,
    group: 'two others are served',
    madeBy: 'proxy',
    answers: plain,
    others: 'served',
    right: ['proxy'],
  },
];

/** 502, 503 and 504 each, as every group has them. */
export const statusCases: readonly StatusCase[] = groups.flatMap(({ answers, kinds, ...group }) =>
  [502, 503, 504].flatMap((status) =>
    kinds.flatMap((kind) => answers.map((said) => ({ ...group, kind, answer: { ...said, status } }))),
  ),
);
