import { expect, test } from 'vitest'
import { createHistogram, createNumbers } from '../../../gateway/metrics.ts'

test('createNumbers() renders one line for each set of labels, quoted', () => {
  const numbers = createNumbers('counter', 'things_total', 'Things')
  numbers.of({ kind: 'a"b\\c\nd' }).value += 2
  numbers.of({ kind: 'a"b\\c\nd' }).value++
  numbers.of({}).value = 1
  expect(numbers.render()).toBe(
    '# HELP things_total Things\n# TYPE things_total counter\nthings_total{kind="a\\"b\\\\c\\nd"} 3\nthings_total 1\n',
  )
})

test('createHistogram() renders buckets that add up', () => {
  const histogram = createHistogram('took_ms', 'Time', [10, 100])
  for (const value of [5, 10, 11, 1000]) histogram.of({ route: 'r' }).observe(value)
  expect(histogram.render().split('\n').slice(2, -1)).toEqual([
    'took_ms_bucket{route="r",le="10"} 2',
    'took_ms_bucket{route="r",le="100"} 3',
    'took_ms_bucket{route="r",le="+Inf"} 4',
    'took_ms_sum{route="r"} 1026',
    'took_ms_count{route="r"} 4',
  ])
})
