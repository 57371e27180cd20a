import parsePrometheusTextFormat from 'parse-prometheus-text-format'
import { expect, test } from 'vitest'
import { createRegistry } from '../../../shared/telemetry/metrics.ts'

test('counter() keeps every value of a label, as a parser reads it back', async () => {
  const values = ['"', '\\', '\n', 'a"b\\c\nd', '\\n', '\\"', '}', '", other="', 'é, 日本']
  const registry = createRegistry()
  const things = registry.counter('things_total', 'Things, "quoted",\n of two \\ lines', ['kind', 'other'])
  for (const [at, kind] of values.entries()) things.inc({ kind, other: 'x' }, at + 1)
  expect(parsePrometheusTextFormat(await registry.render())).toEqual([
    {
      name: 'things_total',
      help: 'Things, "quoted",\n of two \\ lines',
      type: 'COUNTER',
      metrics: values.map((kind, at) => ({ labels: { kind, other: 'x' }, value: String(at + 1) })),
    },
  ])
})

test('observableGauge() reads its value when the metrics are rendered', async () => {
  const registry = createRegistry()
  let value = 1
  registry.observableGauge('now', 'Now', () => value)
  value = 2
  expect(await registry.render()).toBe('# HELP now Now\n# TYPE now gauge\nnow 2\n')
})

test('histogram() renders buckets that add up', async () => {
  const registry = createRegistry()
  const took = registry.histogram('took_ms', 'Time', [10, 100], ['route'])
  for (const value of [5, 10, 11, 1000]) took.observe({ route: 'r' }, value)
  expect((await registry.render()).split('\n').slice(2, -1)).toEqual([
    'took_ms_bucket{le="10",route="r"} 2',
    'took_ms_bucket{le="100",route="r"} 3',
    'took_ms_bucket{le="+Inf",route="r"} 4',
    'took_ms_sum{route="r"} 1026',
    'took_ms_count{route="r"} 4',
  ])
})

test('createRegistry() keeps the metrics of two parts apart, whatever their names', async () => {
  const [one, other] = [createRegistry(), createRegistry()]
  one.counter('things_total', 'Things').inc()
  other.counter('things_total', 'Things')
  expect(await other.render()).toContain('things_total 0')
})
