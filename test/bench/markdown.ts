/** Findings as Markdown, to be pasted into a README. */
import type { Findings, Section, Table } from './section.ts'

export function toMarkdown(
  { title }: Section,
  { method, table, targets = [] }: Findings,
  note: string,
): string {
  const parts = [`## ${title}`, `${method} ${note}`, toTable(table)]
  if (targets.length > 0) parts.push(toTable(targetTable(targets)))
  return `${parts.join('\n\n')}\n`
}

function targetTable(targets: NonNullable<Findings['targets']>): Table {
  return {
    columns: ['target', 'wanted', 'measured', ''],
    rows: targets.map(({ what, wanted, measured, met }) => [what, wanted, measured, met ? 'met' : 'missed']),
  }
}

function toTable({ columns, rows }: Table): string {
  const lines = [columns, columns.map((_name, at) => (at === 0 ? '---' : '---:')), ...rows]
  return lines.map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}
