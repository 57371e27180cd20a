/** What an earlier file of settings has: nothing in it is made again, and nothing in it is lost. */
import { parseAllDocuments } from 'yaml'
import { z } from 'zod'
import type { ConfigMap, Secret } from '../objects.ts'

const Values = z.record(z.string(), z.string())
const Metadata = z.looseObject({ name: z.string(), namespace: z.string() })
const Kept = z.union([
  z.looseObject({ kind: z.literal('Secret'), metadata: Metadata, stringData: Values }),
  z.looseObject({ kind: z.literal('ConfigMap'), metadata: Metadata, data: Values }),
])

/** Whatever a file of settings has. */
export type SettingsObject = Secret | ConfigMap

export interface Kept {
  objects: readonly SettingsObject[]
  has(namespace: string, name: string): boolean
  value(namespace: string, name: string, key: string): string | undefined
}

/** A cluster that is new. */
export const NOTHING: Kept = { objects: [], has: () => false, value: () => undefined }

/**
 * Reads a file that `cluster:settings` wrote, whatever was added to it since.
 *
 * @throws TypeError where it holds something else
 */
export function readKept(text: string): Kept {
  const objects = parseAllDocuments(text).map((document) => {
    const found = Kept.safeParse(document.toJS())
    if (!found.success) throw new TypeError('it holds something else than Secrets and ConfigMaps')
    return found.data as unknown as SettingsObject // reason: what else the object has is kept as it is
  })
  const find = (namespace: string, name: string) =>
    objects.find(({ metadata }) => metadata.namespace === namespace && metadata.name === name)
  return {
    objects,
    has: (namespace, name) => find(namespace, name) !== undefined,
    value(namespace, name, key) {
      const object = find(namespace, name)
      return object === undefined ? undefined : valuesOf(object)[key]
    },
  }
}

export function valuesOf(object: SettingsObject): Record<string, string> {
  return object.kind === 'Secret' ? object.stringData : object.data
}

/**
 * `made` and all of `kept`: where both have a value, that of `kept` stays, unless `replaces` says otherwise of its key.
 */
export function addTo(
  kept: Kept,
  made: readonly SettingsObject[],
  replaces: (key: string) => boolean,
): SettingsObject[] {
  const isSame = (one: SettingsObject) => (other: SettingsObject) =>
    one.kind === other.kind &&
    one.metadata.name === other.metadata.name &&
    one.metadata.namespace === other.metadata.namespace
  const whole = made.map((object) => {
    const before = kept.objects.find(isSame(object))
    if (before === undefined) return object
    const staying = Object.entries(valuesOf(before)).filter(([key]) => !replaces(key))
    return withValues(object, { ...valuesOf(object), ...Object.fromEntries(staying) })
  })
  return [...whole, ...kept.objects.filter((object) => !made.some(isSame(object)))]
}

function withValues(object: SettingsObject, values: Record<string, string>): SettingsObject {
  return object.kind === 'Secret' ? { ...object, stringData: values } : { ...object, data: values }
}
