/** The part of got's options that is read and set. */
export interface GotOptions {
  url?: unknown;
  method: string;
  isStream: boolean;
  context: Record<string, unknown>;
  headers: Record<string, string | string[] | undefined>;
  decompress: boolean;
  http2: boolean;
  agent: { http?: unknown; https?: unknown; http2?: unknown };
  timeout: { request?: number | undefined };
}
