/** Waits for what only another process or time can bring. Returns how long that took in ms; Infinity when it never came. */
export async function msUntil(holds: () => boolean | Promise<boolean>, limitMs = 10_000): Promise<number> {
  const startedAt = performance.now();
  for (;;) {
    const done = await holds();
    const ms = performance.now() - startedAt;
    if (done) return ms;
    if (ms > limitMs) return Number.POSITIVE_INFINITY;
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}
