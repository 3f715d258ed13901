/** What a command ends with. `docs/cli.md` says the same for users. */
export const exitCode: Readonly<Record<'ok' | 'finding' | 'usage' | 'interrupted' | 'terminated', number>> =
  Object.freeze({
    ok: 0,
    /** It ran, and found something: a proxy that does not work, a line that cannot be read, no answer. */
    finding: 1,
    /** Asked for in a way that cannot be carried out: a flag, an option, a file. */
    usage: 2,
    /** Ctrl-C. */
    interrupted: 130,
    /** SIGTERM. */
    terminated: 143,
  });
