/** Numbers, times and names as the reader's locale writes them; whoever shows one also shows the exact value on request. */

const number = new Intl.NumberFormat(undefined, { maximumFractionDigits: 2 })
const short = new Intl.NumberFormat(undefined, { notation: 'compact', maximumFractionDigits: 1 })
const dateTime = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' })
const date = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeZone: 'UTC' })

const BIG = 100_000

export function formatNumber(value: number): string {
  return Math.abs(value) >= BIG ? short.format(value) : number.format(value)
}

/** @param cents whole cents */
export function formatMoney(cents: number, currency = 'usd'): string {
  // Of less than a cent, what there is of it.
  const digits = cents !== 0 && Math.abs(cents) < 1 ? { maximumSignificantDigits: 2 } : {}
  const style = { style: 'currency', currency: currency.toUpperCase(), ...digits } as const
  return new Intl.NumberFormat(undefined, style).format(cents / 100)
}

export function formatTime(iso: string): string {
  return dateTime.format(new Date(iso))
}

/** A day such as `2026-11-27`, which has no time and so no time zone. */
export function formatDay(day: string): string {
  return date.format(new Date(`${day}T00:00:00Z`))
}

export function formatDuration(ms: number): string {
  if (ms < 1) return `${number.format(ms * 1000)} µs`
  return ms < 1000 ? `${number.format(ms)} ms` : `${number.format(ms / 1000)} s`
}

export function formatBytes(bytes: number): string {
  const power = bytes < 1000 ? 0 : Math.min(4, Math.floor(Math.log10(bytes) / 3))
  return `${number.format(bytes / 1000 ** power)} ${['B', 'kB', 'MB', 'GB', 'TB'][power]}`
}

/** `created_at` is "Created", `api_keys` is "API keys". */
export function labelOf(name: string): string {
  const words = name
    .replace(/_(at|cents|ms|bytes)$/, '')
    .replaceAll(/[_-]+/g, ' ')
    .trim()
  const spelled = words.replaceAll(
    /\b(api|id|url|sso|csv|pdf|rpm|gpu|dns|ip|llm|scim|sdk|nats|gb)\b/gi,
    (word) => word.toUpperCase(),
  )
  return spelled.charAt(0).toUpperCase() + spelled.slice(1)
}

export function isTime(value: unknown): value is string {
  return (
    typeof value === 'string' && /^\d{4}-\d\d-\d\dT\d\d:\d\d/.test(value) && !Number.isNaN(Date.parse(value))
  )
}

export function isDay(value: unknown): value is string {
  return typeof value === 'string' && /^\d{4}-\d\d-\d\d$/.test(value)
}

export function isId(value: unknown): value is string {
  return typeof value === 'string' && /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(value)
}

/** Any value as a text; nothing is the empty one. */
export function textOf(value: unknown): string {
  if (value === undefined || value === null) return ''
  return typeof value === 'string' ? value : JSON.stringify(value)
}
