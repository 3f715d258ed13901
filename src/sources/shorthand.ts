import { OptionsError } from '../errors.js';
import { file } from './file.js';
import type { Source } from './source.js';
import type { AnySource, SourceSpec } from './spec.js';
import { url } from './url.js';

/**
 * The sources of an option, with different names: of several URLs at one host, or files of one name, the second is
 * called `name-2`.
 * @throws OptionsError that names the place in the list, and no URL or path
 */
export function readSources(specs: readonly SourceSpec[]): Source[] {
  const taken = new Set(specs.flatMap((spec) => (isSource(spec) ? [spec.name] : [])));
  return specs.map((spec, index) => {
    // By its shape, all that can be known of an object.
    if (isSource(spec)) return spec as unknown as Source;
    try {
      const first = openSource(spec);
      let source = first;
      // A name has 64 characters at most.
      for (let n = 2; taken.has(source.name); n++)
        source = openSource(spec, `${first.name.slice(0, 58)}-${n}`);
      taken.add(source.name);
      return source;
    } catch (error) {
      if (!(error instanceof OptionsError)) throw error;
      throw new OptionsError(error.issues.map(({ rule }) => ({ path: `sources.${index}`, rule })));
    }
  });
}

function openSource(spec: Exclude<SourceSpec, AnySource>, name?: string): Source {
  if (typeof spec !== 'string') return url(spec.href, { name });
  // What has a scheme is no path: url() refuses all but http and https.
  return /^[a-z][a-z\d+.-]*:\/\//i.test(spec) ? url(spec, { name }) : file(spec, { name });
}

function isSource(spec: SourceSpec): spec is AnySource {
  return typeof spec === 'object' && 'load' in spec;
}
