/** Brings objects without a canary to what their manifests say. */
import { Conflict } from './api-errors.ts'
import { FIELD_MANAGER, type Api } from './api.ts'
import type { ClusterObject, ObjectMetadata } from './objects.ts'

/** What kubectl and kn write as when they apply on their side. */
const ON_THEIR_SIDE = new Set(['kubectl-client-side-apply', 'kubectl', 'before-first-apply'])

/** Applies `object`; what the manifest does not have any more is removed, also where kubectl applied it before. */
export async function applyObject(api: Api, object: ClusterObject): Promise<ClusterObject> {
  await adopt(api, object)
  return api.apply(object)
}

/** Fields that kubectl has applied become ours: those that only it owned would otherwise stay for ever. */
async function adopt(api: Api, object: ClusterObject): Promise<void> {
  const live = await api.get(object, object.metadata.namespace, object.metadata.name)
  const managedFields = live?.metadata.managedFields
  if (live === undefined || managedFields === undefined) return
  if (managedFields.some(isOurs) || !managedFields.some(isTheirs)) return
  const metadata: ObjectMetadata = {
    ...live.metadata,
    managedFields: managedFields.map((entry) =>
      isTheirs(entry) ? { ...entry, manager: FIELD_MANAGER, operation: 'Apply' } : entry,
    ),
  }
  const { resourceVersion } = metadata
  await api
    .merge(object, { metadata: { managedFields: metadata.managedFields, resourceVersion } })
    .catch((error: unknown) => {
      // Somebody was faster; the fields stay theirs until the next deploy.
      if (!(error instanceof Conflict)) throw error
    })
}

type Entry = NonNullable<ObjectMetadata['managedFields']>[number]

const isTheirs = ({ manager = '', operation, subresource }: Entry) =>
  operation === 'Update' && subresource === undefined && ON_THEIR_SIDE.has(manager)
const isOurs = ({ manager, operation }: Entry) => manager === FIELD_MANAGER && operation === 'Apply'
