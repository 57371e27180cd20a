/** Findings as Markdown, to be pasted into a README. */
import type { Findings, Section, Table } from './section.ts'

export function toMarkdown(
  { title }: Section,
  { method, table, further = [], targets = [] }: Findings,
  note: string,
): string {
  const parts = [`## ${title}`, `${method} ${note}`, toTable(table), ...further.map(toTable)]
  if (targets.length > 0) parts.push(toTable(targetTable(targets)))
  return `${parts.join('\n\n')}\n`
}

function targetTable(targets: NonNullable<Findings['targets']>): Table {
  return {
    columns: ['target', 'wanted', 'measured', ''],
    rows: targets.map(({ what, wanted, measured, met }) => [what, wanted, measured, met ? 'met' : 'missed']),
  }
}

export function toTable({ columns, rows }: Table): string {
  const lines = [columns, columns.map((_name, at) => (at === 0 ? '---' : '---:')), ...rows]
  return lines.map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}
