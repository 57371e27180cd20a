/** What the whole benchmark comes to, a line for each question: before, after, what it is compared with, what is wanted. */
import { ratio, show, type Comparison, type Table } from './section.ts'
import { median, medianRatio } from './statistics.ts'

/** Values of a question, one for each round in which all were measured. */
export interface Measured {
  what: string
  unit: string
  /** Of the other checkout, where there is one. */
  before?: readonly number[] | undefined
  /** What `before` is compared with, where that is not `reference`. */
  beforeReference?: readonly number[] | undefined
  after: readonly number[]
  reference: readonly number[]
  /** What the reference is. */
  over: string
  wanted: { of: 'ratio' | 'value'; atMost: number } | { of: 'ratio'; atLeast: number }
}

export function compare(measured: Measured): Comparison {
  const { what, unit, before = [], after, reference, beforeReference = reference, over, wanted } = measured
  const value = (values: readonly number[]) => `${show(median(values))} ${unit}`
  const measuredRatio = medianRatio(after, reference)
  const judged = wanted.of === 'ratio' ? measuredRatio : median(after)
  const bound = 'atMost' in wanted ? wanted.atMost : wanted.atLeast
  return {
    what,
    before: before.length === 0 ? '-' : `${value(before)} (${ratio(medianRatio(before, beforeReference))})`,
    after: value(after),
    reference: `${value(reference)} (${over})`,
    ratio: ratio(measuredRatio),
    wanted: `${'atMost' in wanted ? '<=' : '>='} ${wanted.of === 'ratio' ? ratio(bound) : `${bound} ${unit}`}`,
    // What failed or was too slow for any rate has no ratio, and meets nothing.
    met: Number.isFinite(judged) && judged > 0 && ('atMost' in wanted ? judged <= bound : judged >= bound),
  }
}

export function comparisonTable(comparisons: readonly Comparison[]): Table {
  return {
    columns: ['row', 'before', 'after', 'reference', 'ratio', 'wanted', ''],
    rows: comparisons.map((each) => [
      each.what,
      each.before,
      each.after,
      each.reference,
      each.ratio,
      each.wanted,
      each.met ? 'met' : 'missed',
    ]),
  }
}
