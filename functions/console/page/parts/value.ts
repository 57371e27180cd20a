/** Any value of an answer, by what it is. */
import { html, type View } from '../core/html.ts'
import { formatBytes, formatDuration, formatMoney, isDay, isId, isTime, labelOf } from '../core/format.ts'
import { Amount, Day, Exact, Id, Time } from './exact.ts'

/** What a state means, as a sign beside its word, for those who see no colours. */
const SIGNS: Record<string, [sign: string, kind: string]> = {
  active: ['●', 'good'],
  completed: ['✓', 'good'],
  success: ['✓', 'good'],
  paid: ['✓', 'good'],
  verified: ['✓', 'good'],
  accepted: ['✓', 'good'],
  delivering: ['●', 'good'],
  ok: ['✓', 'good'],
  healthy: ['✓', 'good'],
  running: ['▶', 'busy'],
  queued: ['…', 'busy'],
  pending: ['…', 'busy'],
  waiting: ['…', 'busy'],
  trialing: ['…', 'busy'],
  failed: ['✕', 'bad'],
  failure: ['✕', 'bad'],
  failing: ['✕', 'bad'],
  suspended: ['✕', 'bad'],
  disabled: ['✕', 'bad'],
  past_due: ['!', 'bad'],
  unpaid: ['!', 'bad'],
  degraded: ['!', 'bad'],
  unhealthy: ['✕', 'bad'],
  revoked: ['–', 'dull'],
  expired: ['–', 'dull'],
  cancelled: ['–', 'dull'],
  canceled: ['–', 'dull'],
  deleted: ['–', 'dull'],
}

/** How amounts are written whose names are or end in a unit. */
const UNITS: Record<string, (value: number) => string> = {
  cents: formatMoney,
  ms: formatDuration,
  bytes: formatBytes,
}

/** @param name of the member: amounts of money are whole cents, and named `cents` or `…_cents` */
export function Value({ value, name = '' }: { value: unknown; name?: string }): View {
  if (value === undefined || value === null || value === '') return html`<span class="none">–</span>`
  if (typeof value === 'number') {
    const unit = unitOf(name)
    if (unit === undefined) return html`<${Amount} value=${value} />`
    return html`<${Exact} exact=${`${value} ${unit}`}>${UNITS[unit]?.(value)}<//>`
  }
  if (typeof value === 'boolean') return value ? 'yes' : 'no'
  if (Array.isArray(value)) return html`<${Several} values=${value} />`
  if (typeof value === 'object') return html`<${Members} of=${value} />`
  return html`<${Text} text=${value as string} name=${name} />`
}

function unitOf(name: string): string | undefined {
  const last = name.slice(name.lastIndexOf('_') + 1)
  return Object.hasOwn(UNITS, last) ? last : undefined
}

function Text({ text, name }: { text: string; name: string }) {
  if (unitOf(name) === 'cents' && /^-?\d+$/.test(text)) return formatMoney(Number(text))
  if (isTime(text)) return html`<${Time} iso=${text} />`
  if (isDay(text)) return html`<${Day} day=${text} />`
  if (isId(text)) return html`<${Id} id=${text} />`
  if (/^https:\/\/\S+$/.test(text)) return html`<a href=${text} rel="noreferrer">${text}</a>`
  const [sign, kind] = (/status|state|outcome/.test(name) ? SIGNS[text] : undefined) ?? []
  if (sign === undefined) return html`<span>${text}</span>`
  return html`<span class="state ${kind}"
    ><span aria-hidden="true">${sign}</span> ${labelOf(text).toLowerCase()}</span
  >`
}

function Several({ values }: { values: unknown[] }) {
  if (values.length === 0) return html`<span class="none">none</span>`
  const isPlain = values.every((each) => typeof each !== 'object')
  if (isPlain) return html`<span>${values.join(', ')}</span>`
  return html`<ol class="several">
    ${values.map((each) => html`<li><${Value} value=${each} /></li>`)}
  </ol>`
}

function Members({ of }: { of: object }) {
  const members = Object.entries(of).filter(([, value]) => value !== undefined)
  if (members.length === 0) return html`<span class="none">none</span>`
  return html`<dl class="members">
    ${members.map(
      ([name, value]) =>
        html`<div>
          <dt>${labelOf(name)}</dt>
          <dd><${Value} value=${value} name=${name} /></dd>
        </div>`,
    )}
  </dl>`
}
