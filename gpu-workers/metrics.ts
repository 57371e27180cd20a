/** Counters and gauges of the worker. */
import { createRegistry } from '../shared/telemetry/metrics.ts'
import { createModelMetrics, type CountModelCall } from './model-metrics.ts'

export interface Metrics {
  readonly running: number
  begin(): void
  end(outcome: string): void
  countModelCall: CountModelCall
  render(): Promise<string>
}

export function createMetrics(): Metrics {
  const registry = createRegistry()
  const { counter, observableGauge, render } = registry
  const jobs = counter('kgents_worker_jobs_total', 'Jobs by outcome', ['outcome'])
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
    countModelCall: createModelMetrics(registry),
    render,
  }
}
