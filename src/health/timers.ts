/** A timer that may let the process end. */
export interface MonitorTimer {
  unref?(): unknown;
}

/** `setTimeout` and `clearTimeout`. */
export interface MonitorTimers {
  setTimeout(callback: () => void, ms: number): MonitorTimer;
  clearTimeout(timer: MonitorTimer): void;
}

export const nodeTimers: MonitorTimers = {
  setTimeout: (callback, ms) => setTimeout(callback, ms),
  clearTimeout: (timer) => clearTimeout(timer as NodeJS.Timeout),
};
