/** Where a sign stands. */
export type SignPlace = 'header' | 'cookie' | 'title' | 'text' | 'tag' | 'script' | 'json';

/**
 * Signs by where they stand, in lower case; one of a place's list is enough for that place. A header is
 * `name` (it is there) or `name: value` (its value holds this); a cookie is how its name begins.
 */
export interface Signs extends Readonly<Partial<Record<SignPlace, readonly string[]>>> {
  readonly status?: readonly number[];
}

/** What the walls of one vendor have in common. */
export interface BlockRule {
  readonly name: string;
  /** Headers that say so themselves: one is enough, whatever the page. */
  readonly proof?: readonly string[];
  /** Things that only a wall has. One is a must; but a page that quotes one is none, so it is not enough. */
  readonly marks: Signs;
  /** Things that it shares with other pages. */
  readonly backing: Signs;
  /** In how many different places there must be a sign, marks included. */
  readonly need: number;
  /** A page with one of these is none. */
  readonly unless?: Signs;
  /** Longest text of such a page, in characters. */
  readonly maxText: number;
}

const REFUSED = [401, 403, 429, 503];

/**
 * The first that fits wins. Markers that a protected page has as well (cookies, sensors, `server`) are backing at
 * most. The texts are what the vendors' walls showed in 2025; a page that changes loses one place and keeps others.
 */
export const BLOCK_RULES: readonly BlockRule[] = [
  {
    name: 'cloudflare-challenge',
    proof: ['cf-mitigated: challenge'],
    marks: {
      script: ['_cf_chl_opt'],
      tag: ['id=challenge-error-text', 'id=challenge-form', 'cf-browser-verification'],
    },
    backing: {
      title: ['just a moment', 'checking your browser', 'einen moment', 'un momento', 'un instant'],
      header: ['server: cloudflare'],
      status: REFUSED,
    },
    need: 3,
    maxText: 1_500,
  },
  {
    name: 'cloudflare-block',
    marks: {
      // The codes are all that clients without `Accept: text/html` get.
      text: [
        'sorry, you have been blocked',
        'you are being rate limited',
        'error code: 1006',
        'error code: 1010',
        'error code: 1015',
        'error code: 1020',
      ],
      title: ['used cloudflare to restrict access'],
    },
    backing: {
      title: ['attention required! | cloudflare', 'access denied'],
      tag: ['cf-error-details', 'cf-wrapper'],
      header: ['server: cloudflare'],
      status: REFUSED,
    },
    need: 3,
    maxText: 2_000,
  },
  {
    name: 'datadome',
    marks: {
      tag: [
        'captcha-delivery.com/c.js',
        'captcha-delivery.com/i.js',
        'captcha-delivery.com/captcha/',
        'captcha-delivery.com/interstitial/',
      ],
      json: ['captcha-delivery.com/captcha/', 'captcha-delivery.com/interstitial/'],
    },
    backing: {
      script: ['var dd='],
      header: ['x-datadome', 'x-dd-b'],
      cookie: ['datadome='],
      status: REFUSED,
    },
    need: 2,
    maxText: 1_000,
  },
  {
    name: 'perimeterx',
    marks: {
      // With what follows it: pages that may open a captcha later keep a `px-captcha-modal` ready.
      tag: ['id=px-captcha>', 'id=px-captcha ', 'captcha.px-cdn.net/', 'captcha.px-cloud.net/'],
      script: ['pxcaptchasrc'],
      json: ['"blockscript"'],
    },
    backing: {
      title: ['access to this page has been denied', 'human verification'],
      script: ['_pxuuid'],
      text: ['press & hold', 'confirm you are a human'],
      status: REFUSED,
    },
    need: 2,
    maxText: 1_500,
  },
  {
    name: 'kasada',
    marks: { tag: ['/ips.js?kp_uidz=', 'x-kpsdk-im='] },
    backing: {
      script: ['kpsdk'],
      header: ['x-kpsdk-ct', 'x-kpsdk-r', 'x-kpsdk-st'],
      cookie: ['kp_uidz'],
      status: REFUSED,
    },
    need: 2,
    maxText: 300,
  },
  {
    name: 'akamai-challenge',
    marks: { tag: ['sec-if-cpt-container', 'sec-cpt-if', 'bm-verify=', '/_sec/cp_challenge/'] },
    backing: {
      text: ['powered and protected by'],
      script: ['/_sec/verify', '/_sec/cp_challenge', 'bm-verify'],
      cookie: ['sec_cpt', 'bm_sz', 'ak_bmsc'],
      header: ['server: akamai', 'akamai-grn'],
      status: [...REFUSED, 428],
    },
    need: 2,
    maxText: 1_000,
  },
  {
    name: 'akamai-block',
    marks: { text: ['errors.edgesuite.net/', 'on this server. reference #'] },
    backing: { title: ['access denied'], header: ['server: akamaighost', 'akamai-grn'], status: REFUSED },
    need: 3,
    maxText: 600,
  },
  {
    name: 'imperva',
    marks: {
      tag: ['_incapsula_resource?swudnsai', '_incapsula_resource?cwudnsai', '/distil_r_'],
      script: ['reeseskipexpirationcheck'],
    },
    backing: {
      title: ['pardon our interruption'],
      text: ['incapsula incident id', 'something about your browser made us think'],
      header: ['x-iinfo', 'x-cdn: incapsula', 'x-cdn: imperva'],
      cookie: ['visid_incap_', 'incap_ses_', 'reese84'],
      status: REFUSED,
    },
    need: 2,
    maxText: 1_500,
  },
  {
    name: 'aws-waf',
    proof: ['x-amzn-waf-action: challenge', 'x-amzn-waf-action: captcha'],
    marks: { script: ['window.gokuprops'] },
    backing: {
      title: ['human verification'],
      tag: ['.awswaf.com/', 'id=challenge-container', 'id=captcha-container'],
      status: [202, 405, ...REFUSED],
    },
    need: 2,
    maxText: 1_000,
  },
  {
    name: 'sucuri',
    proof: ['x-sucuri-block'],
    marks: { title: ['sucuri website firewall - access denied'], script: ['sucuri_cloudproxy_js'] },
    backing: {
      title: ['you are being redirected'],
      text: ['block id:', 'javascript is required'],
      header: ['x-sucuri-id', 'server: sucuri'],
      status: [307, ...REFUSED],
    },
    need: 3,
    maxText: 1_500,
  },
  {
    // Anybody's: a short page that asks for a captcha and offers nothing else to do.
    name: 'captcha-page',
    marks: {
      text: [
        'complete the captcha',
        'solve the captcha',
        'solve this captcha',
        'complete the security check',
        'unusual traffic from your',
        'automated requests from',
        'you are a human',
        'you are human',
        "you're human",
        'are not a robot',
        "you're not a robot",
        'characters you see',
        'kein roboter',
        'pas un robot',
        'no eres un robot',
      ],
    },
    backing: {
      title: [
        'access denied',
        'are you a human',
        'are you a robot',
        'attention required',
        'bot verification',
        'human verification',
        'robot check',
        'security check',
        'unusual traffic',
        'verify you are human',
      ],
      tag: [
        '/recaptcha/api.js',
        '/recaptcha/enterprise.js',
        'g-recaptcha',
        'h-captcha',
        'cf-turnstile',
        'arkoselabs.com',
        'validatecaptcha',
        '/captcha/',
      ],
      status: REFUSED,
    },
    need: 2,
    // A form that wants something else as well is guarded by its captcha, not replaced by it.
    unless: {
      tag: [
        'type=password',
        'type=email',
        'type=tel',
        'type=file',
        'type=radio',
        'type=search',
        '<textarea',
        '<select',
        '<article',
      ],
    },
    maxText: 1_200,
  },
];
