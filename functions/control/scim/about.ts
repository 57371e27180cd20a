/** What this service provider does of SCIM (RFC 7643, 5 to 7). */
import SCIMMY from 'scimmy'
import { listOf } from './list.ts'
import { notFound } from './errors.ts'

const ROOT = '/scim/v2'

export const SERVICE_PROVIDER = {
  schemas: ['urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig'],
  patch: { supported: true },
  bulk: { supported: false, maxOperations: 0, maxPayloadSize: 0 },
  filter: { supported: true, maxResults: 200 },
  changePassword: { supported: false },
  sort: { supported: false },
  etag: { supported: false },
  authenticationSchemes: [
    {
      type: 'oauthbearertoken',
      name: 'API key',
      description: 'An API key of the tenant with the role admin and the scope scim:*, as a bearer token',
      primary: true,
    },
  ],
  meta: { resourceType: 'ServiceProviderConfig', location: `${ROOT}/ServiceProviderConfig` },
}

const TYPES = ['User', 'Group'].map((name) => ({
  schemas: ['urn:ietf:params:scim:schemas:core:2.0:ResourceType'],
  id: name,
  name,
  endpoint: `/${name}s`,
  schema: `urn:ietf:params:scim:schemas:core:2.0:${name}`,
  meta: { resourceType: 'ResourceType', location: `${ROOT}/ResourceTypes/${name}` },
}))

export const resourceTypes = () => listOf(TYPES, TYPES.length, { startIndex: 1 })

export function resourceType(id: string) {
  const found = TYPES.find((type) => type.id === id)
  if (found === undefined) throw notFound('Group', id)
  return found
}

/** As the library has them: the whole of RFC 7643, of which what is not kept is ignored. */
export function schemas() {
  const all = [SCIMMY.Schemas.User.definition, SCIMMY.Schemas.Group.definition].map((definition) =>
    definition.describe(`${ROOT}/Schemas`),
  )
  return listOf(all, all.length, { startIndex: 1 })
}
