/** Schemas of Kubernetes' own kinds, and of those that are added to a cluster. */
import { existsSync, readFileSync } from 'node:fs'
import { glob, readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { parseAllDocuments } from 'yaml'
import { cacheFolder, fetchWheel, type Wheel } from '../../../knative/local/servers/wheels.ts'
import type { Definition, Schema } from './structural-schema.ts'

/** Where definitions of added kinds are kept; beside the repository, and not everywhere. */
const ADDED = new URL('../../../../shared/crds/', import.meta.url)

interface CustomResourceDefinition {
  kind: string
  spec: {
    group: string
    names: { kind: string }
    versions: { name: string; served: boolean; schema: { openAPIV3Schema: Schema } }[]
  }
}

/** The kinds of all CustomResourceDefinitions that are there; none where the folder is not. */
export async function readAdded(): Promise<Definition[]> {
  if (!existsSync(ADDED)) return []
  const definitions: Definition[] = []
  for await (const file of glob('**/*.yaml', { cwd: fileURLToPath(ADDED) }))
    for (const document of parseAllDocuments(readFileSync(new URL(file, ADDED), 'utf8')))
      definitions.push(...kindsOf(document.toJS() as CustomResourceDefinition | null))
  return definitions
}

function kindsOf(definition: CustomResourceDefinition | null): Definition[] {
  if (definition?.kind !== 'CustomResourceDefinition') return []
  const { group, names, versions } = definition.spec
  return versions
    .filter(({ served }) => served)
    .map(({ name, schema: { openAPIV3Schema: schema } }) => ({
      apiVersion: `${group}/${name}`,
      kind: names.kind,
      // what every object has is not in the schemas
      schema: { ...schema, properties: { ...schema.properties, apiVersion: ANY, kind: ANY, metadata: ANY } },
    }))
}

const ANY: Schema = { 'x-kubernetes-preserve-unknown-fields': true }

/** Schemas of Kubernetes 1.34 in which an unknown field is an error. */
const BUILT_IN: Wheel = {
  name: 'kubernetes-validate',
  version: '1.37.0',
  file: 'kubernetes_validate/kubernetes-json-schema/v1.34.0-local-strict/_definitions.json',
  sha256: '81c8c580f3ddb1580b342d91b9771089a38fa33ef86ee923b9b604716b2ba552',
  megabytes: 22,
}

/**
 * The kinds of Kubernetes itself.
 *
 * @throws Unavailable where they cannot be fetched
 */
export async function readBuiltIn(): Promise<Definition[]> {
  const file = await fetchWheel(BUILT_IN, { cache: cacheFolder(process.env) })
  const { $defs } = JSON.parse(await readFile(file, 'utf8')) as { $defs: Record<string, Schema> }
  const references = Object.fromEntries(
    Object.entries($defs).map(([name, schema]) => [`#/$defs/${name}`, schema]),
  )
  return Object.values($defs).flatMap((schema) => {
    const [apiVersion] = schema.properties?.['apiVersion']?.enum ?? []
    const [kind] = schema.properties?.['kind']?.enum ?? []
    if (typeof apiVersion !== 'string' || typeof kind !== 'string') return []
    return [{ apiVersion, kind, schema, references }]
  })
}
