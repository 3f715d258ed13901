export {
  type ParsedProxyList,
  type ParseProxyListOptions,
  type ProxyListFormat,
  parseProxyList,
} from './formats.js';
