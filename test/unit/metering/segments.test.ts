import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { segmentsOf, type Span } from '../../../shared/metering/segments.ts'

const moments = fc.date({ min: new Date('2026-01-01'), max: new Date('2026-02-01'), noInvalidDate: true })

test('segmentsOf() has each moment of the time once', () => {
  fc.assert(
    fc.property(moments, fc.oneof(fc.nat(10_000_000), fc.nat(2_000_000_000)), (from, length) => {
      const to = new Date(from.getTime() + length)
      const { days, hours, parts } = segmentsOf(from, to)
      const spans = [...days, ...hours, ...parts].toSorted(
        ([first], [second]) => first.getTime() - second.getTime(),
      )
      const ends = spans.map(([, end]) => end)
      expect(spans.map(([start]) => start)).toEqual(spans.length === 0 ? [] : [from, ...ends.slice(0, -1)])
      expect(ends.at(-1) ?? from).toEqual(to)
      const isWhole = (span: Span, unit: number) => span.every((moment) => moment.getTime() % unit === 0)
      expect(days.every((span) => isWhole(span, 86_400_000))).toBe(true)
      expect(hours.every((span) => isWhole(span, 3_600_000))).toBe(true)
      expect(parts.every(([start, end]) => end.getTime() - start.getTime() < 3_600_000)).toBe(true)
    }),
  )
})

test('segmentsOf() reads a month of Kolkata from days, hours and two halves of an hour', () => {
  const { days, hours, parts } = segmentsOf(new Date('2026-09-30T18:30Z'), new Date('2026-10-31T18:30Z'))
  expect({ days: days.length, hours: hours.length, parts: parts.length }).toEqual({
    days: 1,
    hours: 2,
    parts: 2,
  })
})
