/** The facts of one thing, with what can be done about it. */
import { html } from '../core/html.ts'
import type { Json } from '../core/api.ts'
import { operationOf, requestOf } from '../core/openapi.ts'
import { Action } from './action.ts'
import { Curl } from './curl.ts'
import type { ActionsSection, FactsSection } from './section.ts'
import { Absent, Failed, Loading } from './states.ts'
import { useOperation } from './use-operation.ts'
import { Value } from './value.ts'

export function FactsView({ facts, title, member, actions = [] }: FactsSection) {
  const known = operationOf(facts) !== undefined
  const { answer, problem, reload } = useOperation(known ? facts : undefined)
  const shown = member === undefined ? answer : (answer?.[member] as Json | undefined)
  return html`<section class="facts">
    <div class="row">
      <h2>${title}</h2>
      <div class="row end">${actions.map((action) => html`<${Action} ...${action} done=${reload} />`)}</div>
    </div>
    ${!known && html`<${Absent} operation=${facts} />`}
    ${problem !== undefined && html`<${Failed} problem=${problem} retry=${reload} />`}
    ${known && answer === undefined && problem === undefined && html`<${Loading} what=${title.toLowerCase()} />`}
    ${answer !== undefined && html`<${Value} value=${shown} />`}
    ${known && html`<${Curl} request=${requestOf(facts)} />`}
  </section>`
}

export function ActionsView({ title, about, actions }: ActionsSection) {
  const missing = actions.filter(({ operation }) => operationOf(operation) === undefined)
  return html`<section class="facts">
    <h2>${title}</h2>
    <p>${about}</p>
    <p class="row">${actions.map((action) => html`<${Action} ...${action} />`)}</p>
    ${missing.map(({ operation }) => html`<${Absent} operation=${operation} />`)}
  </section>`
}
