/** How the tenant stands: what was used and what it costs, now and by day. */
import { html } from '../core/html.ts'
import { labelOf } from '../core/format.ts'
import { operationOf, requestOf } from '../core/openapi.ts'
import { Curl } from '../parts/curl.ts'
import type { Page } from '../parts/section.ts'
import { Absent, Failed, Loading } from '../parts/states.ts'
import { useOperation } from '../parts/use-operation.ts'
import { Value } from '../parts/value.ts'
import { UsageByDay } from './usage-curve.ts'
import { Meters } from './meters.ts'

const TENANT = 'GET /v1/tenant'
const CURRENT = 'GET /v1/usage/current'

function Plan() {
  const { answer, problem, reload } = useOperation(TENANT)
  const tenant = answer?.['tenant'] as Record<string, unknown> | undefined
  return html`<section class="facts">
    <h2>Plan</h2>
    ${problem !== undefined && html`<${Failed} problem=${problem} retry=${reload} />`}
    ${answer === undefined && problem === undefined && html`<${Loading} what="the plan" />`}
    ${
      tenant !== undefined &&
      html`<dl class="tiles">
        ${['tier', 'status', 'seats_used'].map(
          (name) =>
            html`<div>
              <dt>${labelOf(name)}</dt>
              <dd><${Value} value=${tenant[name]} name=${name} /></dd>
            </div>`,
        )}
      </dl>`
    }
    <${Curl} request=${requestOf(TENANT)} />
  </section>`
}

function ThisPeriod() {
  const known = operationOf(CURRENT) !== undefined
  const { answer, problem, reload } = useOperation(known ? CURRENT : undefined, {}, 5)
  return html`<section class="facts">
    <h2>This period</h2>
    ${!known && html`<${Absent} operation=${CURRENT} />`}
    ${problem !== undefined && html`<${Failed} problem=${problem} retry=${reload} />`}
    ${known && answer === undefined && problem === undefined && html`<${Loading} what="usage" />`}
    ${answer !== undefined && html`<${Meters} answer=${answer} />`}
    ${known && html`<${Curl} request=${requestOf(CURRENT)} />`}
  </section>`
}

export const OVERVIEW: Page = {
  id: 'overview',
  title: 'Overview',
  group: '',
  about: 'What is used, what it costs, and what is left.',
  sections: [{ view: Plan }, { view: ThisPeriod }, { view: UsageByDay }],
}
