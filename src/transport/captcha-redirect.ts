/** Hosts that serve nothing but captchas. */
const wallHosts: readonly string[] = [
  'captcha-delivery.com',
  'captcha.px-cdn.net',
  'captcha.px-cloud.net',
  'validate.perfdrive.com',
];

/** First part of a path that is a wall's, without an ending such as `.html`. */
const walls: ReadonlySet<string> = new Set([
  'captcha',
  'recaptcha',
  'captcha-challenge',
  'captcha-verify',
  'captchacheck',
  'distil_r_captcha',
  'validatecaptcha',
  'are-you-human',
  'bot-check',
  'bot-verification',
  'human-verification',
  'robot-check',
  'verify-human',
]);

/** These mean many things, and a wall only when they promise the way back to the page that was asked for. */
const maybeWalls: ReadonlySet<string> = new Set(['blocked', 'challenge', 'interstitial', 'sorry']);

/** Longest URL that is looked at, in characters. */
const maxLength = 4_000;

/** Whether one who asked for `from` and was sent to `to` (relative or not) was sent to a captcha. */
export function isCaptchaRedirect(from: string, to: string): boolean {
  if (from.length > maxLength || to.length > maxLength || !URL.canParse(to, from)) return false;
  const asked = new URL(from);
  const shown = new URL(to, asked);
  if (asked.host === shown.host && asked.pathname === shown.pathname) return false;
  if (wallHosts.some((host) => shown.hostname === host || shown.hostname.endsWith(`.${host}`))) return true;
  // Who asks for something about captchas gets something about captchas.
  if (asked.pathname.toLowerCase().includes('captcha')) return false;
  const wall = firstPart(shown.pathname);
  return walls.has(wall) || (maybeWalls.has(wall) && namesTheWayBack(shown, asked));
}

/** `/en/captcha.html` and `/errors/captcha` count as `captcha`. */
function firstPart(pathname: string): string {
  const parts = pathname.toLowerCase().split('/', 4).slice(1);
  const [first = '', second = ''] = parts;
  const part = /^(?:[a-z]{2}(?:-[a-z]{2})?|errors?)$/.test(first) ? second : first;
  return part.split('.', 1)[0] ?? '';
}

function namesTheWayBack({ searchParams }: URL, { pathname }: URL): boolean {
  return pathname.length > 1 && [...searchParams.values()].some((value) => value.includes(pathname));
}
