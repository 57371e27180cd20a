/** What a part of the benchmark is given, and what it comes back with. It measures; it asserts nothing. */

export interface Bench {
  /** Fewer and shorter rounds: to see that it works, not to quote. */
  quick: boolean
  /** Another checkout of this repository, that is measured as well: what it was like before. */
  before: string | undefined
  /** Tells a person who waits what is going on. */
  say(line: string): void
}

/** One of the questions that the benchmark answers. */
export interface Section {
  name: string
  title: string
  run(bench: Bench): Promise<Findings>
}

export interface Findings {
  /** How it was measured, in a sentence or two. */
  method: string
  table: Table
  further?: readonly Table[]
  /** Rows of the table over all sections. */
  comparisons?: readonly Comparison[]
  targets?: readonly Target[]
  curves?: readonly Curve[]
}

export interface Table {
  columns: readonly string[]
  rows: readonly (readonly (string | number)[])[]
}

/** What was hoped for, beside what was measured. */
export interface Target {
  what: string
  wanted: string
  measured: string
  met: boolean
}

/** A question of the benchmark, as the table over all sections shows it. */
export interface Comparison {
  what: string
  before: string
  after: string
  reference: string
  ratio: string
  wanted: string
  met: boolean
}

/** Latency over offered load, to be drawn. */
export interface Curve {
  label: string
  points: readonly { rate: number; p50: number; p95: number }[]
}

/** Measures all candidates in turn, `rounds` times, so that what disturbs the machine disturbs them alike. */
export async function inTurn<T>(
  names: readonly string[],
  rounds: number,
  measure: (name: string, round: number) => Promise<T>,
): Promise<Record<string, T[]>> {
  const results: Record<string, T[]> = Object.fromEntries(names.map((name) => [name, []]))
  for (let round = 0; round < rounds; round += 1) {
    const start = round % names.length
    for (const name of [...names.slice(start), ...names.slice(0, start)])
      results[name]?.push(await measure(name, round))
  }
  return results
}

/** A number as people read it: three digits that matter, thousands apart. */
export function show(value: number): string {
  if (!Number.isFinite(value)) return '-'
  const digits = value === 0 ? 0 : Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))))
  return value.toLocaleString('en-US', { maximumFractionDigits: digits, minimumFractionDigits: digits })
}

export function ratio(value: number): string {
  return `${value.toFixed(2)}x`
}
