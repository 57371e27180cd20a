/** Counters and gauges of the worker. */
import { createRegistry } from '../shared/telemetry/metrics.ts'
import { createModelMetrics, type CountModelCall } from './model-metrics.ts'

/** Seconds. */
const WAITS = [0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 15, 60, 300, 1800, 7200]

export interface Metrics {
  readonly running: number
  /** @param waitedSeconds from when the job was made, where this is its first attempt */
  begin(waitedSeconds?: number): void
  end(outcome: string): void
  countModelCall: CountModelCall
  render(): Promise<string>
}

/** @param slots jobs that can run at once; known once there is an engine */
export function createMetrics(slots: () => number = () => 0): Metrics {
  const registry = createRegistry()
  const { counter, histogram, observableGauge, render } = registry
  const jobs = counter('kgents_worker_jobs_total', 'Jobs by outcome', ['outcome'])
  let running = 0
  observableGauge('kgents_worker_jobs_running', 'Jobs that are running', () => running)
  observableGauge('kgents_worker_slots', 'Jobs that can run at once', slots)
  const waited = histogram(
    'kgents_worker_queue_wait_seconds',
    'From when a job was made until it was taken',
    WAITS,
  )
  return {
    get running() {
      return running
    },
    begin(waitedSeconds) {
      running++
      if (waitedSeconds !== undefined) waited.observe({}, waitedSeconds)
    },
    end(outcome) {
      running--
      jobs.inc({ outcome })
    },
    countModelCall: createModelMetrics(registry),
    render,
  }
}
