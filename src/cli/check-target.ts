import type { CheckTarget } from '../health/check-target.js';
import { type ProxyWhirlOptions, type ResolvedOptions, resolveOptions } from '../options.js';
import { tracing } from './complaint.js';
import type { Settings } from './settings.js';
import { UsageError } from './usage-error.js';

/** The settings of checks, with the page that they ask for. */
export type CheckSettings = ResolvedOptions['health'] & { readonly check: CheckTarget };

/**
 * What proxies are asked for.
 * @throws UsageError without a URL, BadSetting for one that breaks its rule
 */
export function checkSettings(settings: Settings): Promise<CheckSettings> {
  return tracing(settings, async () => {
    const { health } = settings.options as ProxyWhirlOptions;
    // What else is set is none of a check's business, and the proxies come from elsewhere.
    const resolved = resolveOptions({
      proxies: ['placeholder'],
      ...(health !== undefined && { health }),
    }).health;
    const { check } = resolved;
    if (check === undefined)
      throw new UsageError(
        'A check needs a page to ask for: --url URL, or health.check.url in the configuration. There is no default: ' +
          'ProxyWhirl tells no third party about your proxies. Take a page of your own, or one that you may use.',
      );
    return { ...resolved, check };
  });
}
