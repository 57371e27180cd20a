/**
 * Secrets of tools. A header names them, `Bearer {secret:GITHUB}`; they are opened for the one request that sends them, only
 * to the origins that an admin named, and taken out of whatever comes back.
 */
import { isExactNumber } from '../../../../shared/exact-json.ts'
import { Failure } from '../../../../shared/failures.ts'

export const SECRET_NAME = /^[A-Z][A-Z0-9_]{0,63}$/
const REFERENCE = /\{secret:([A-Z][A-Z0-9_]{0,63})\}/g
const HIDDEN = '[secret]'

/** Headers that would be secrets themselves if they were written out. */
const TELLING = /^(authorization|cookie)$|key|token|secret|password|credential/i
const NOT_TELLING = new Set(['idempotency-key'])

/** Names of the secrets that `headers` refer to, each once. */
export function secretsIn(headers: Readonly<Record<string, string>>): string[] {
  const names = Object.values(headers).flatMap((value) =>
    [...value.matchAll(REFERENCE)].map(([, name = '']) => name),
  )
  return [...new Set(names)].sort()
}

/** `headers` with secrets in the place of their names. */
export function withSecrets(
  headers: Readonly<Record<string, string>>,
  secrets: ReadonlyMap<string, string>,
): Record<string, string> {
  const fill = (value: string) => value.replace(REFERENCE, (_, name: string) => secrets.get(name) ?? '')
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, fill(value)]))
}

/** @throws Failure TYPE_MISMATCH for a header that has its secret written out: everybody may read a contract */
export function checkNothingTold(headers: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(headers)) {
    if (!TELLING.test(name) || NOT_TELLING.has(name.toLowerCase()) || secretsIn({ name: value }).length > 0)
      continue
    throw new Failure('TYPE_MISMATCH', `Cannot take header "${name}": its value looks like a secret`, {
      suggestion: 'Store it with world.tool.secret and write {secret:NAME} in the header',
    })
  }
}

/** Hides what it was made for, in texts and in everything that is made of them. */
export interface Redactor {
  text(text: string): string
  /** A copy of parsed JSON, names and numbers included, that can also be stored. */
  json(value: unknown): unknown
}

/** Hides `secrets`, as they are and in the forms in which a server may write them. */
export function createRedactor(secrets: Iterable<string>): Redactor {
  const forms = [...new Set([...secrets].flatMap(formsOf))].sort((a, b) => b.length - a.length)
  const text = (given: string) =>
    forms.reduce((hidden, form) => hidden.replaceAll(form, HIDDEN), given.replaceAll('\0', '').toWellFormed())
  const json = (value: unknown): unknown => {
    if (typeof value === 'string') return text(value)
    if (typeof value === 'number') return text(String(value)) === String(value) ? value : HIDDEN
    if (isExactNumber(value)) return text(value.rawJSON) === value.rawJSON ? value : HIDDEN
    if (Array.isArray(value)) return value.map(json)
    if (typeof value !== 'object' || value === null) return value
    return Object.fromEntries(Object.entries(value).map(([name, each]) => [text(name), json(each)]))
  }
  return { text, json }
}

function formsOf(secret: string): string[] {
  const bytes = Buffer.from(secret)
  const unpadded = bytes.toString('base64').replace(/=+$/, '')
  return [
    secret,
    encodeURIComponent(secret),
    JSON.stringify(secret).slice(1, -1),
    unpadded,
    bytes.toString('base64url'),
    bytes.toString('hex'),
  ]
}
