// `proxywhirl/sources`: where proxies come from, and lists of them read and written.
export { type CustomSourceOptions, custom, type LoadProxies } from './custom.js';
export type { ProxySources, SourceReport } from './engine-sources.js';
export { type ExportFormat, type ExportOptions, exportProxies, writeProxies } from './export.js';
export { type FileSourceOptions, type FileSourceParts, file } from './file.js';
export type { DirectoryWatch } from './file-watch.js';
export {
  type ParsedProxyList,
  type ParseProxyListOptions,
  type ProxyListFormat,
  parseProxyList,
} from './formats.js';
export {
  type ImportBatch,
  type ImportInput,
  type ImportOptions,
  type ImportProgress,
  importProxies,
} from './import.js';
export { list } from './list.js';
export { SourceRefresher, type SourceRefresherParts, type SourceSink, type SourceState } from './refresh.js';
export type { SourceEvents } from './refresh-events.js';
export type {
  Source,
  SourceBatch,
  SourceContext,
  SourceOptions,
  SourceSettings,
  SourceValidator,
  VanishedPolicy,
} from './source.js';
export {
  SourceError,
  type SourceErrorCode,
  type SourceErrorOptions,
  type SourceFault,
} from './source-error.js';
export type { AnySource, SourceSpec } from './spec.js';
export { type UrlSourceOptions, type UrlSourceParts, url } from './url.js';
