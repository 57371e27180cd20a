import { expect, test } from 'vitest'
import { createMetrics } from '../../../gpu-workers/metrics.ts'

test('render() writes jobs in the format of Prometheus', async () => {
  const metrics = createMetrics()
  for (const outcome of ['completed', 'completed', 'retried']) {
    metrics.begin()
    metrics.end(outcome)
  }
  metrics.begin()
  const lines = (await metrics.render()).split('\n')
  expect(lines).toContain('kgents_worker_jobs_running 1')
  expect(lines).toContain('kgents_worker_jobs_total{outcome="completed"} 2')
  expect(lines).toContain('kgents_worker_jobs_total{outcome="retried"} 1')
  expect(lines.at(-1)).toBe('')
})
