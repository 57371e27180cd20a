/** How the tenant stands: what was used and what it costs, now and by day. */
import { html } from '../core/html.ts'
import type { Json } from '../core/api.ts'
import { labelOf } from '../core/format.ts'
import { operationOf, requestOf } from '../core/openapi.ts'
import { Curl } from '../parts/curl.ts'
import type { Page } from '../parts/section.ts'
import { Absent, Failed, Loading } from '../parts/states.ts'
import { useOperation } from '../parts/use-operation.ts'
import { Table } from '../parts/table.ts'
import { Value } from '../parts/value.ts'
import { UsageByDay } from './usage-curve.ts'
import { Meters } from './meters.ts'

const TENANT = 'GET /v1/tenant'
const CURRENT = 'GET /v1/usage/current'

function Plan() {
  const { answer, problem, reload } = useOperation(TENANT)
  const tenant = answer?.['tenant'] as Json | undefined
  return html`<section class="facts">
    <h2>Plan</h2>
    ${problem !== undefined && html`<${Failed} problem=${problem} retry=${reload} />`}
    ${answer === undefined && problem === undefined && html`<${Loading} what="the plan" />`}
    ${tenant !== undefined && html`<${Limits} tenant=${tenant} />`}
    <${Curl} request=${requestOf(TENANT)} />
  </section>`
}

/** What the plan grants besides meters, and how much of it is in use. */
function Limits({ tenant }: { tenant: Json }) {
  const used = (tenant['used'] ?? { seats: tenant['seats_used'] }) as Json
  const rows = Object.entries((tenant['limits'] ?? {}) as Json).map(([name, limit]) => ({
    name,
    used: used[name],
    limit,
  }))
  const columns = [
    { name: 'name', label: 'Limit', show: ({ name }: Json) => labelOf(String(name)) },
    { name: 'used', label: 'In use' },
    {
      name: 'limit',
      label: 'Granted',
      show: ({ limit, name }: Json) =>
        limit === null ? 'no limit' : html`<${Value} value=${limit} name=${name} />`,
    },
  ]
  return html`<dl class="tiles">
      ${['tier', 'status'].map(
        (name) =>
          html`<div>
            <dt>${labelOf(name)}</dt>
            <dd><${Value} value=${tenant[name]} name=${name} /></dd>
          </div>`,
      )}
    </dl>
    <details>
      <summary>Limits of the plan</summary>
      <${Table} caption="Limits of the plan" columns=${columns} rows=${rows} />
    </details>`
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

/** The other meters have their curves in the page of usage. */
const MAIN = ['tokens', 'api_calls', 'sessions', 'gpu_seconds']

export const OVERVIEW: Page = {
  id: 'overview',
  title: 'Overview',
  group: '',
  about: 'What is used, what it costs, and what is left.',
  sections: [{ view: Plan }, { view: ThisPeriod }, { view: () => html`<${UsageByDay} of=${MAIN} />` }],
}
