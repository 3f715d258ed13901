/** What a check asks for, and what it must get. */
export interface CheckTarget {
  /** Absolute, http or https, without credentials; yours, or one that you may use: there is no default. */
  readonly url: string;
  /** Text that the body must contain; it tells the real answer from that of a captive portal. @default none */
  readonly token?: string | undefined;
  /** Status that the answer must have. @default 200 */
  readonly expectStatus?: number | undefined;
  /**
   * Finds out exit address and anonymity; true = the answer to the check is that of a judge, `{ url }` asks another
   * one when the check has passed. A judge echoes `{ "address": "203.0.113.7", "headers": { "via": "1.1 squid" } }`:
   * the address of its client, and the headers as they came in. Over https a proxy cannot add headers, and all of
   * them are elite. @default false
   */
  readonly judge?: boolean | { readonly url: string } | undefined;
  /**
   * Our own IP address as targets see it without a proxy; only with it a proxy can be called transparent.
   * @default none
   */
  readonly ownAddress?: string | undefined;
}
