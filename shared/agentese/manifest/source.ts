/**
 * What a manifest is made from, whatever kind of thing it shows, and how facts are read out of a state that its owner
 * wrote as it pleased: what has another form than expected counts as missing.
 */
import { isExactNumber, isJsonObject } from '../../exact-json.ts'

export type Facts = Readonly<Record<string, unknown>>

/** A thing as it is now, independent of any observer. */
export interface ManifestSource {
  /** `world.house`. */
  handle: string
  name: string
  /** What it is: an entity's type, a concept's domain. */
  kind: string
  description: string
  state: Facts
  metadata: Facts
  /** Names of what it is tied to. */
  related: readonly string[]
  /** How often it was changed since it was made. */
  changes: number
  /** When it was changed last, as an ISO string; null where nobody ever made or changed it. */
  updated: string | null
  /** In what condition it is, where its state does not have it. */
  status?: string
}

/** Numbers in a state that are listed at most. */
const MAX_NUMBERS = 500

/** A fact that is a plain object; else an empty one. */
export function factsOf(value: unknown): Facts {
  return isJsonObject(value) ? value : {}
}

export function textOf(value: unknown): string | null {
  return typeof value === 'string' && value.trim() !== '' ? value : null
}

/** A list of texts; one text is a list of one. */
export function textsOf(value: unknown): string[] {
  const list = Array.isArray(value) ? (value as unknown[]) : [value]
  return list.flatMap((each) => textOf(each) ?? [])
}

export function numberOf(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? value : null
}

/** A number from 0 to 1. */
export function shareOf(value: unknown): number | null {
  const number = numberOf(value)
  return number !== null && number >= 0 && number <= 1 ? number : null
}

/** Every number in `value` by its dotted path, `dimensions.width`; the first 500 of them. */
export function numbersIn(value: unknown): Record<string, number> {
  const found: [path: string, number: number][] = []
  collectNumbers(value, '', found)
  return Object.fromEntries(found)
}

function collectNumbers(value: unknown, path: string, found: [string, number][]): void {
  const number = numberOf(value)
  if (number !== null && path !== '' && found.length < MAX_NUMBERS) found.push([path, number])
  if (typeof value !== 'object' || value === null || isExactNumber(value)) return
  for (const [key, each] of Object.entries(value)) {
    if (found.length >= MAX_NUMBERS) return
    collectNumbers(each, path === '' ? key : `${path}.${key}`, found)
  }
}

/** The type of each member, as JSON names it. */
export function typesOf(facts: Facts): Record<string, string> {
  return Object.fromEntries(Object.entries(facts).map(([key, value]) => [key, typeOf(value)]))
}

function typeOf(value: unknown): string {
  if (value === null) return 'null'
  if (isExactNumber(value)) return 'number'
  return Array.isArray(value) ? 'array' : typeof value
}
