import { expect, test } from 'vitest'
import { createMetrics } from '../../../gpu-workers/metrics.ts'

test('render() writes jobs, tokens and speed in the format of Prometheus', async () => {
  const metrics = createMetrics()
  for (const outcome of ['completed', 'completed', 'retried']) {
    metrics.begin()
    metrics.end(outcome)
  }
  metrics.begin()
  metrics.count({ prompt: 30, completion: 100 }, 2)
  const lines = (await metrics.render()).split('\n')
  expect(lines).toContain('kgents_worker_jobs_running 1')
  expect(lines).toContain('kgents_worker_jobs_total{outcome="completed"} 2')
  expect(lines).toContain('kgents_worker_jobs_total{outcome="retried"} 1')
  expect(lines).toContain('kgents_worker_tokens_total{kind="prompt"} 30')
  expect(lines).toContain('kgents_worker_tokens_total{kind="completion"} 100')
  expect(lines).toContain('kgents_worker_tokens_per_second 50')
  expect(lines.at(-1)).toBe('')
})

test('count() leaves the speed as it is where texts were embedded', async () => {
  const metrics = createMetrics()
  metrics.count({ prompt: 30, completion: 100 }, 2)
  metrics.count({ prompt: 500, completion: 0 }, 3)
  const lines = (await metrics.render()).split('\n')
  expect(lines).toContain('kgents_worker_tokens_total{kind="prompt"} 530')
  expect(lines).toContain('kgents_worker_tokens_per_second 50')
  expect(lines).toContain('kgents_worker_generation_seconds_total 2')
})
