// The REST API. What is missing here is internal: the schemas are in the OpenAPI document.
export type { ApiWhirl } from './api-context.js';
export { type ApiErrorCode, type ApiErrorRow, apiErrors } from './api-error.js';
export type {
  ApiConfig,
  ApiKey,
  ApiOptions,
  ConfigChange,
  RateLimits,
  Scope,
} from './api-options.js';
export { type ApiApp, type ApiPeer, createApp } from './app.js';
export { type ApiServer, serve } from './serve.js';
export type { ServeOptions } from './serve-options.js';
