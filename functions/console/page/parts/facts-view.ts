/** The facts of one thing, with what can be done about it. */
import { html } from '../core/html.ts'
import { operationOf, requestOf } from '../core/openapi.ts'
import { Action } from './action.ts'
import { Curl } from './curl.ts'
import type { FactsSection } from './section.ts'
import { Absent, Failed, Loading } from './states.ts'
import { useOperation } from './use-operation.ts'
import { Value } from './value.ts'

export function FactsView({ facts, title, input = {}, show, actions = [] }: FactsSection) {
  const known = operationOf(facts) !== undefined
  const { answer, problem, reload } = useOperation(known ? facts : undefined, input)
  const shown = answer === undefined || show === undefined ? answer : show(answer)
  const possible = actions.filter(({ when }) => when === undefined || (answer !== undefined && when(answer)))
  return html`<section class="facts">
    <div class="row">
      <h2>${title}</h2>
      <div class="row end">${possible.map((action) => html`<${Action} ...${action} done=${reload} />`)}</div>
    </div>
    ${!known && html`<${Absent} operation=${facts} />`}
    ${problem !== undefined && html`<${Failed} problem=${problem} retry=${reload} />`}
    ${known && answer === undefined && problem === undefined && html`<${Loading} what=${title.toLowerCase()} />`}
    ${answer !== undefined && html`<${Value} value=${shown} />`}
    ${known && html`<${Curl} request=${requestOf(facts, input)} />`}
  </section>`
}
