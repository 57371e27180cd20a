/** A list of an operation: its filters, its rows page by page, what can be done with each, and its API call. */
import { useState } from 'preact/hooks'
import { html } from '../core/html.ts'
import type { Json } from '../core/api.ts'
import { operationOf, requestOf, run, type Operation, type Schema } from '../core/openapi.ts'
import { Action } from './action.ts'
import { Curl } from './curl.ts'
import { Filters, filtersOf } from './filters.ts'
import { columnsOf, cursorIn, filledColumns, listIn } from './rows.ts'
import { FactsView } from './facts-view.ts'
import { RowActions, type Inner } from './row-actions.ts'
import type { ListSection } from './section.ts'
import { Absent, Empty, Failed, Loading } from './states.ts'
import { Table } from './table.ts'
import { problemOf, useOperation } from './use-operation.ts'
import { announce } from './announce.ts'

interface Props extends ListSection {
  /** Filters that the address of the page names. */
  initial?: Json
  level?: 2 | 3
}

export function ListView(props: Props) {
  const operation = operationOf(props.list)
  return html`<section class="list">
    ${
      operation === undefined
        ? html`<${Heading} ...${props} /><${Absent} operation=${props.list} />`
        : html`<${Known} ...${props} operation=${operation} />`
    }
  </section>`
}

function Heading({ title, level = 2 }: Props) {
  return level === 2 ? html`<h2>${title}</h2>` : html`<h3>${title}</h3>`
}

function Known({ operation, ...props }: Props & { operation: Operation }) {
  const { list, of, actions = [], everySeconds, initial = {} } = props
  const filters = filtersOf(operation)
  const [filter, setFilter] = useState(() => known(initial, filters))
  const input = { ...filter, ...props.input }
  const { answer, problem, reload } = useOperation(list, input, everySeconds)
  return html` <div class="row">
      <${Heading} ...${props} />
      <div class="row end">
        ${actions.map((action) => html`<${Action} ...${action} initial=${action.filtered === true ? filter : action.initial} done=${reload} />`)}
        <button type="button" class="quiet" aria-label=${`Reload ${of}`} onClick=${reload}>Reload</button>
      </div>
    </div>
    <${Filters} schema=${filters} value=${filter} onChange=${setFilter} />
    ${problem !== undefined && html`<${Failed} problem=${problem} retry=${reload} />`}
    ${answer === undefined && problem === undefined && html`<${Loading} what=${of} />`}
    ${answer !== undefined && html`<${Pages} key=${JSON.stringify([list, input])} ...${props} operation=${operation} input=${input} first=${answer} reload=${reload} />`}
    <${Curl} request=${requestOf(list, input)} />`
}

/** The address of the page may have parameters that are another list's. */
function known(input: Json, { properties = {} }: Schema): Json {
  return Object.fromEntries(Object.entries(input).filter(([name]) => Object.hasOwn(properties, name)))
}

interface PagesProps extends Props {
  operation: Operation
  input: Json
  first: Json
  reload(): void
}

/** The first page is read again whenever the list is; those after it are added below by request. */
function Pages({ operation, input, first, reload, ...props }: PagesProps) {
  const { list, of, member, title } = props
  const [more, setMore] = useState<Json[]>([])
  const [problem, setProblem] = useState<ReturnType<typeof problemOf>>()
  const cursor = cursorIn(more.at(-1) ?? first)
  const rows = [first, ...more].flatMap((page) => listIn(page, member))
  const readMore = async () => {
    try {
      setMore([...more, await run(list, { ...input, cursor })])
      announce(`More ${of}`)
    } catch (error) {
      setProblem(problemOf(error))
    }
  }
  if (rows.length === 0) return html`<${Empty} what=${of} />`
  const columns = props.columns ?? filledColumns(columnsOf(operation, member), rows)
  return html` <${Table}
      caption=${title}
      columns=${columns}
      rows=${rows}
      actions=${(row: Json) => html`<${RowActions} ...${props} list=${list} row=${row} done=${reload} draw=${drawInner} />`}
    />
    ${problem !== undefined && html`<${Failed} problem=${problem} />`}
    ${cursor !== undefined && html`<button type="button" onClick=${() => void readMore()}>More ${of}</button>`}`
}

function drawInner(inner: Inner) {
  return 'list' in inner ? html`<${ListView} ...${inner} level=${3} />` : html`<${FactsView} ...${inner} />`
}
