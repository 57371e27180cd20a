/** The numbers of a canary. All of them are in the README; those that an operator sets are options of the command. */

/** Percent of the requests that the new revision gets, one step after the other. */
export const STEPS = [10, 50, 100] as const

export interface Rules {
  /** How long a revision may take until it is ready. */
  readySeconds: number
  /** For how long a revision that fails to start is given the chance to recover. */
  failingSeconds: number
  /** Each step is watched at least for so long: metrics arrive late. */
  stepSeconds: number
  /** With fewer requests to the new revision, a step is decided by a probe. */
  minRequests: number
  /** How long a step waits for so many requests. */
  patienceSeconds: number
  /** What the running revision did within this time is what the new one is compared with. */
  baselineSeconds: number
  pollSeconds: number
  /** How many requests a probe sends to each revision. */
  probeRequests: number
}

export const DEFAULT_RULES: Rules = {
  readySeconds: 300,
  failingSeconds: 60,
  stepSeconds: 60,
  minRequests: 100,
  patienceSeconds: 300,
  baselineSeconds: 1800,
  pollSeconds: 10,
  probeRequests: 50,
}

/** When a new revision is worse than the running one. Shares are parts of all requests, durations are seconds. */
export const LIMITS = {
  /** A revision is not judged by fewer errors. */
  errors: 3,
  errorShare: 0.01,
  /** Answers 4xx are the caller's fault, but not when there are suddenly many more of them. */
  refusals: 20,
  refusalShare: 0.1,
  p95Factor: 1.5,
  p95Seconds: 0.1,
  /** Where the running revision has had no requests to compare with. */
  p95WithoutBaseline: 2,
  startFactor: 1.5,
  /** The API server keeps times of pods in whole seconds. */
  startSeconds: 1,
  restarts: 3,
} as const
