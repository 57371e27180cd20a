/** Rows as CSV (RFC 4180): a header, then a line for each. */
import { textOf } from '../core/format.ts'
import type { Json } from '../core/api.ts'

export function toCsv(rows: readonly Json[]): string {
  const names = [...new Set(rows.flatMap((row) => Object.keys(row)))]
  return [names, ...rows.map((row) => names.map((name) => row[name]))]
    .map((values) => values.map(toField).join(','))
    .join('\r\n')
}

/** A text that begins like a formula gets an apostrophe: spreadsheets run formulas of files that others wrote. */
function toField(value: unknown): string {
  const text = textOf(value)
  const safe = /^[=+\-@\t\r]/.test(text) && !/^-?\d+(\.\d+)?$/.test(text) ? `'${text}` : text
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}
