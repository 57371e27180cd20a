/** What every step of a deploy works with. */
import type { Api } from './api.ts'
import type { Clock } from './clock.ts'
import type { Prober } from './probe.ts'
import type { Metrics } from './prometheus.ts'
import type { Rules } from './rules.ts'

export interface Deploy {
  api: Api
  clock: Clock
  metrics: Metrics
  prober: Prober
  rules: Rules
  /** Writes one line of progress. */
  report(name: string, text: string): void
  /** Set as soon as one Service of the deploy is bad: the others go back at their next decision. */
  stopped: { because?: string }
}

export type OutcomeKind =
  | 'unchanged'
  | 'updated'
  | 'ready'
  | 'promoted'
  | 'rolled back'
  | 'failed'
  | 'not begun'

/** How a deploy of one Service has ended. */
export interface Outcome {
  name: string
  kind: OutcomeKind
  why?: string
}

/** Whether a deploy with this outcome is what was asked for. */
export function isGood({ kind }: Outcome): boolean {
  return kind === 'unchanged' || kind === 'updated' || kind === 'ready' || kind === 'promoted'
}
