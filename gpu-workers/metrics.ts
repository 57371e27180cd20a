/** Counters and gauges of the worker. */
import { createRegistry } from '../shared/telemetry/metrics.ts'

export interface Metrics {
  readonly running: number
  begin(): void
  end(outcome: string): void
  /** Tokens of a job that ended, and the seconds in which the completion tokens were made. */
  count(tokens: { prompt: number; completion: number }, seconds: number): void
  render(): Promise<string>
}

export function createMetrics(): Metrics {
  const { counter, gauge, observableGauge, render } = createRegistry()
  const jobs = counter('kgents_worker_jobs_total', 'Jobs by outcome', ['outcome'])
  const tokens = counter('kgents_worker_tokens_total', 'Tokens by kind', ['kind'])
  const generation = counter('kgents_worker_generation_seconds_total', 'Seconds spent generating')
  const rate = gauge('kgents_worker_tokens_per_second', 'Completion tokens per second of the last job')
  for (const kind of ['prompt', 'completion'] as const) tokens.inc({ kind }, 0)
  let running = 0
  observableGauge('kgents_worker_jobs_running', 'Jobs that are running', () => running)
  return {
    get running() {
      return running
    },
    begin() {
      running++
    },
    end(outcome) {
      running--
      jobs.inc({ outcome })
    },
    count({ prompt, completion }, took) {
      tokens.inc({ kind: 'prompt' }, prompt)
      tokens.inc({ kind: 'completion' }, completion)
      if (completion === 0) return // nothing was generated: texts were embedded
      generation.inc(took)
      rate.set(took > 0 ? completion / took : 0)
    },
    render,
  }
}
