/** Whether a new revision is as good as the running one: figures in, reasons out. */
import { LIMITS } from './rules.ts'

/** What a revision did with the requests that it got. Durations are seconds. */
export interface Figures {
  requests: number
  /** Answers 5xx, and requests without an answer. */
  errors: number
  /** Answers 4xx. */
  refusals: number
  p95: number | undefined
  /** Of its pods from their making to being ready: the median. */
  start: number | undefined
  /** How often its program has ended by itself. */
  restarts: number
}

export interface Comparison {
  running: Figures
  candidate: Figures
}

/** One for each thing that may be worse; undefined where it is not, or cannot be known. */
const RULES: readonly ((comparison: Comparison) => string | undefined)[] = [
  ({ candidate, running }) => {
    if (candidate.errors < LIMITS.errors) return undefined
    const [share, usual] = [shareOf(candidate.errors, candidate), shareOf(running.errors, running)]
    if (share <= usual + LIMITS.errorShare) return undefined
    return `${percent(share)} of its requests fail (${candidate.errors} of ${candidate.requests}), ${percent(usual)} of the running revision's`
  },
  ({ candidate, running }) => {
    if (candidate.refusals < LIMITS.refusals) return undefined
    const [share, usual] = [shareOf(candidate.refusals, candidate), shareOf(running.refusals, running)]
    if (share <= usual + LIMITS.refusalShare) return undefined
    return `${percent(share)} of its requests are refused (4xx), ${percent(usual)} of the running revision's`
  },
  ({ candidate, running }) => {
    if (candidate.p95 === undefined) return undefined
    const limit =
      running.p95 === undefined
        ? LIMITS.p95WithoutBaseline
        : Math.max(running.p95 * LIMITS.p95Factor, running.p95 + LIMITS.p95Seconds)
    if (candidate.p95 <= limit) return undefined
    return `p95 is ${milliseconds(candidate.p95)}, the running revision's ${milliseconds(running.p95)}, at most ${milliseconds(limit)} is good`
  },
  ({ candidate, running }) => {
    if (candidate.start === undefined || running.start === undefined) return undefined
    const limit = running.start * LIMITS.startFactor + LIMITS.startSeconds
    if (candidate.start <= limit) return undefined
    return `a cold start takes ${candidate.start} s, the running revision's ${running.start} s, at most ${limit} s is good`
  },
  ({ candidate }) =>
    candidate.restarts < LIMITS.restarts
      ? undefined
      : `its program has ended ${candidate.restarts} times by itself`,
]

/** What is worse about the candidate; nothing where it is as good. */
export function judge(comparison: Comparison): string[] {
  return RULES.flatMap((rule) => rule(comparison) ?? [])
}

/** One line for people. */
export function describe({ candidate, running }: Comparison): string {
  const of = ({ requests, errors, p95, start }: Figures) =>
    `${requests} requests, ${errors} errors, p95 ${milliseconds(p95)}, cold start ${start === undefined ? 'unknown' : `${start} s`}`
  return `new: ${of(candidate)}; running: ${of(running)}`
}

const shareOf = (count: number, { requests }: Figures) => (requests === 0 ? 0 : count / requests)
const percent = (share: number) => `${(share * 100).toFixed(1)} %`
const milliseconds = (seconds: number | undefined) =>
  seconds === undefined ? 'unknown' : `${Math.round(seconds * 1000)} ms`
