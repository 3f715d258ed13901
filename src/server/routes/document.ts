import type { ApiGuard } from '../api-guard.js';
import { type ApiReply, type ApiRequest, jsonType, replyOf } from '../api-request.js';
import type { ApiRouter } from '../api-router.js';
import type { ApiDocument } from '../openapi.js';
import { etagOf, type PageFile, pageFiles, pagePolicy } from '../reference-page.js';

export interface DocumentParts {
  readonly router: ApiRouter;
  readonly guard: ApiGuard;
  readonly basePath: string;
  /** Made when it is first asked for. */
  readonly document: (basePath: string) => ApiDocument;
}

/** the OpenAPI document and the page that shows it, at the root and below the base path. No key is needed. */
export function addDocumentRoutes({ router, guard, basePath, document }: DocumentParts): void {
  let made: PageFile | null = null;
  const openapi = async (): Promise<PageFile> => {
    if (made === null) {
      const body = JSON.stringify(document(basePath));
      made = { type: jsonType, body, etag: etagOf(body) };
    }
    return made;
  };
  const add = (path: string, file: () => Promise<PageFile>): void => {
    const run = async (request: ApiRequest): Promise<ApiReply> => {
      guard.admit(request, null, 'general');
      return answer(request, await file());
    };
    router.add('GET', path, run);
    router.add('GET', `${basePath}${path}`, run);
  };
  add('/openapi.json', openapi);
  for (const [path, file] of Object.entries(pageFiles)) add(`/docs${path}`, file);
}

function answer(request: ApiRequest, { type, body, etag }: PageFile): ApiReply {
  const headers = { etag, 'cache-control': 'no-cache', 'content-security-policy': pagePolicy };
  if (request.header('if-none-match') === etag) return { status: 304, headers, body: null };
  return replyOf(200, type, body, headers);
}
