/** The table of all variables that functions and parts read, for people who deploy them. */
import type { Component } from '../shared/contract/component.ts'
import { secretsFor } from '../shared/contract/needs.ts'
import { variablesOf, type Variable } from '../shared/contract/variables.ts'
import { FunctionConfig } from '../shared/runtime/config.ts'
import type { Deployable } from './manifests.ts'
import { secretKeyOf } from './parts.ts'

/** One variable of one reader. */
interface Reading extends Variable {
  reader: string
  /** Under which name the Secret has it; absent where it is no secret. */
  secretKey?: string
}

const COLUMNS = ['Variable', 'Read by', 'On a cluster', 'Default', 'What']
/** A secret that more functions get is a secret of functions. */
const MAX_NAMED_FUNCTIONS = 3

/** The table in Markdown, in the order of names. */
export function variablesTable(catalog: readonly Deployable[], components: readonly Component[]): string {
  const readings = [...functionReadings(catalog), ...components.flatMap(componentReadings)]
  const byName = Map.groupBy(readings, ({ name }) => name)
  const names = [...byName.keys()].sort()
  const isAll = (each: readonly Reading[]) => each.length > components.length
  return toTable([COLUMNS, ...names.map((name) => toRow(name, byName.get(name) ?? [], isAll))])
}

function functionReadings(catalog: readonly Deployable[]): Reading[] {
  return variablesOf(FunctionConfig).flatMap((variable): Reading[] => {
    const { name } = variable
    const holders = catalog.filter(({ needs }) => secretsFor(needs).includes(name))
    if (holders.length === 0) return [{ ...variable, reader: 'functions' }]
    if (holders.length > MAX_NAMED_FUNCTIONS) return [{ ...variable, reader: 'functions', secretKey: name }]
    return holders.map((holder) => ({ ...variable, reader: `\`${holder.name}\``, secretKey: name }))
  })
}

function componentReadings(component: Component): Reading[] {
  return component.variables.map((variable) => ({
    ...variable,
    reader: component.name,
    ...(component.secrets.includes(variable.name)
      ? { secretKey: secretKeyOf(component, variable.name) }
      : {}),
  }))
}

function toRow(name: string, readings: readonly Reading[], isAll: (each: readonly Reading[]) => boolean) {
  const [first] = readings
  const secrets = listOf(readings, ({ secretKey }) => code(secretKey))
  return [
    code(name),
    isAll(readings) ? 'all' : listOf(readings, ({ reader }) => reader),
    secrets === '' ? listOf(readings, ({ cluster }) => code(cluster)) : `secret ${secrets}`,
    listOf(readings, (each) => code(each.default) || (each.required ? 'required' : '')),
    first?.description ?? '',
  ]
}

/** What readings have, each once. */
function listOf(readings: readonly Reading[], pick: (reading: Reading) => string): string {
  return [...new Set(readings.map(pick))].filter((text) => text !== '').join(', ')
}

function code(text: string | undefined): string {
  return text === undefined ? '' : `\`${text}\``
}

function toTable(rows: readonly string[][]): string {
  const widths = COLUMNS.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  const toLine = (row: readonly string[], fill = ' ') =>
    `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0, fill)).join(' | ')} |`
  const [head = [], ...body] = rows
  const rule = COLUMNS.map(() => '')
  return [toLine(head), toLine(rule, '-'), ...body.map((row) => toLine(row))].join('\n')
}
