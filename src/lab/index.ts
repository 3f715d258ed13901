/**
 * Real local proxies with scripted faults, and a site that bans: what ProxyWhirl is tested, shown and measured
 * against, for the tests of your own crawlers as well. The fronts, ledgers and pages behind them stay internal.
 */

export { interceptCaPem, type LabCertificate } from './bad-certificates.js';
export type { BanRule } from './ban-rules.js';
export { labCaPem, labCertificatePem, labKeyPem } from './certificate.js';
export {
  type FaultProxy,
  type FaultProxyOptions,
  type FaultProxyStats,
  type ProxyRequest,
  startFaultProxy,
} from './fault-proxy.js';
export type { LabCredentials } from './front.js';
export type { AddressProbe } from './loopback.js';
export type { LabProxyKind, ProxyBehaviour, ProxyFault, ProxyFaultKind } from './proxy-fault.js';
export { seededRandom } from './seeded-random.js';
export {
  type SiteAnswer,
  type SiteCounts,
  type SiteRequest,
  startTargetSite,
  type TargetSite,
  type TargetSiteOptions,
} from './target-site.js';
export { demoWorld, type Lab, type LabOptions, type ProxySpec, startLab } from './world.js';
