/** Why a proxy is none: the rule of the line grammar and a sentence that repeats nothing of the input. */
export interface Fault {
  readonly rule: string;
  readonly why: string;
}
