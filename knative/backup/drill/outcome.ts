/** What a drill found, against what is promised. */

/** In seconds. */
export interface Promised {
  recovery: number
  /** Absent where the part keeps nothing. */
  loss?: number
}

export interface Outcome {
  part: string
  /** What was taken away. */
  lost: string
  promised: Promised
  /** Seconds from the loss until the part did its work again. */
  recoverySeconds: number
  /** Between the newest thing that is there again and the loss; 0 where nothing is missing. */
  lossSeconds?: number
  /** For a reader: counts, and what was not tried. */
  notes: string
}

const MINUTE = 60

/** Of the seeds, and PostgreSQL's own, of which they have none. */
export const PROMISES = {
  api: { recovery: 5 * MINUTE },
  streams: { recovery: 15 * MINUTE, loss: 5 * MINUTE },
  settings: { recovery: 30 * MINUTE, loss: 60 * MINUTE },
  database: { recovery: 15 * MINUTE, loss: 5 * MINUTE },
} as const satisfies Record<string, Promised>

export function isKept({ promised, recoverySeconds, lossSeconds = 0 }: Outcome): boolean {
  return recoverySeconds <= promised.recovery && lossSeconds <= (promised.loss ?? 0)
}

/** Of `ids` that were written, how long before the loss the oldest one was that is missing; 0 where none is. */
export function lossOf(
  written: readonly { id: string; at: number }[],
  present: ReadonlySet<string>,
  lostAt: number,
): { seconds: number; missing: number } {
  const missing = written.filter(({ id, at }) => at <= lostAt && !present.has(id))
  const [oldest] = missing.toSorted((a, b) => a.at - b.at)
  return { seconds: oldest === undefined ? 0 : (lostAt - oldest.at) / 1000, missing: missing.length }
}

/** One line for each outcome. */
export function toReport(outcomes: readonly Outcome[]): string {
  const rows = [
    ['part', 'lost', 'RTO', 'measured', 'RPO', 'measured', '', 'notes'],
    ...outcomes.map((outcome) => [
      outcome.part,
      outcome.lost,
      seconds(outcome.promised.recovery),
      seconds(outcome.recoverySeconds),
      outcome.promised.loss === undefined ? 'keeps nothing' : seconds(outcome.promised.loss),
      outcome.lossSeconds === undefined ? '' : seconds(outcome.lossSeconds),
      isKept(outcome) ? 'kept' : 'MISSED',
      outcome.notes,
    ]),
  ]
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? []
  return rows
    .map(
      (row) =>
        `${row
          .map((cell, column) => cell.padEnd(widths[column] ?? 0))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('')
}

function seconds(value: number): string {
  return value === 0 ? '0' : value < 100 ? `${value.toFixed(1)} s` : `${Math.round(value)} s`
}
