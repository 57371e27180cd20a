/** Manifests as text, for people and for whatever reads text only: the same facts, in the same order. */
import { isExactNumber } from '../../exact-json.ts'
import { ManifestPayload } from './payloads.ts'

/** `payload` as text, which ends without a line break. */
export function describeManifest(payload: ManifestPayload): string {
  switch (payload.type) {
    case 'poetic':
      return [payload.description, ...payload.metaphors, `(${payload.mood})`].join('\n\n')
    case 'basic':
      return [payload.summary, payload.content, ...linesOf(payload.metadata, '')].join('\n')
    default: {
      const { type, ...facts } = payload
      return [type.toUpperCase(), ...linesOf(facts, '')].join('\n')
    }
  }
}

/** The text form of a result, where it is a manifest that has one. */
export function textOfResult(result: unknown): string | undefined {
  const { success, data } = ManifestPayload.safeParse(result)
  return success ? describeManifest(data) : undefined
}

function linesOf(facts: object, indent: string): string[] {
  return Object.entries(facts).flatMap(([name, value]: [string, unknown]) => {
    const label = `${indent}${name.replaceAll('_', ' ')}:`
    if (!isNested(value)) return `${label} ${wordFor(value)}`
    return [label, ...linesOf(value, `${indent}  `)]
  })
}

/** Lists of plain values stay on one line. */
function isNested(value: unknown): value is object {
  if (!isContainer(value)) return false
  const members: unknown[] = Object.values(value)
  if (Array.isArray(value)) return members.some(isContainer)
  return members.length > 0
}

function isContainer(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !isExactNumber(value)
}

function wordFor(value: unknown): string {
  if (value === null) return 'unknown'
  if (Array.isArray(value)) return value.length === 0 ? 'none' : value.map(wordFor).join(', ')
  if (isContainer(value)) return 'none'
  return typeof value === 'string' ? value : JSON.stringify(value)
}
