/**
 * SCIM 2.0 (RFC 7643, RFC 7644): a tenant's directory provisions people and groups. It calls by an API key of the tenant with the
 * role `admin` and the scope `scim:*`, which directories send as a bearer token; the key belongs to one tenant, and nothing of
 * another is seen.
 *
 * The library reads filters and has the schemas. Its resources are not used: they are registered once for a process, and know of
 * no tenant but what each handler is passed.
 */
import { z } from 'zod'
import type { Call } from '../../shared/contract/call.ts'
import { defineOperation, route } from '../../shared/contract/define-operation.ts'
import { requireFeature } from '../../shared/plans/features.ts'
import { resourceType, resourceTypes, schemas, SERVICE_PROVIDER } from './scim/about.ts'
import { readOperations, readUser, readUserChanges } from './scim/attributes.ts'
import {
  createGroup,
  getGroup,
  listGroups,
  patchGroup,
  readGroup,
  removeGroup,
  replaceGroup,
} from './scim/groups.ts'
import { excludes, ListQuery } from './scim/list.ts'
import { changeUser, createUser, getUser, listUsers, removeUser, replaceUser } from './scim/users.ts'

const Id = z.object({
  id: z.string().max(100),
  attributes: z.string().optional(),
  excludedAttributes: z.string().optional(),
})
/** What a directory sends is read attribute by attribute (`scim/attributes.ts`). */
const Body = z.looseObject({})
const Change = z.looseObject({ id: z.string().max(100) })
const Resource = z.looseObject({ schemas: z.array(z.string()), id: z.string() })
const List = z.looseObject({
  schemas: z.array(z.string()),
  totalResults: z.int(),
  Resources: z.array(z.unknown()),
})
const Nothing = z.strictObject({})

const READS = {
  auth: 'api-key',
  permission: 'tenant:admin',
  scopes: ['scim:read'],
  errors: 'scim',
  needs: ['postgres'],
} as const
const WRITES = { ...READS, scopes: ['scim:write'], needs: ['postgres', 'events'], writes: true } as const
const REMOVES = { ...WRITES, scopes: ['scim:delete'], status: () => 204, statuses: [204] } as const
const CREATES = { ...WRITES, status: () => 201, statuses: [201] } as const
/** Anybody may know what of SCIM there is. */
const PUBLIC = { auth: 'none', errors: 'scim', input: z.object({}) } as const

/** Refuses tenants whose plan has no SCIM. */
async function allowed<C extends Pick<Call, 'db' | 'identity'>>(call: C): Promise<C> {
  await requireFeature('scim', 'Cannot provision people', call)
  return call
}

export const scim = defineOperation({
  name: 'scim',
  summary: 'Provisions people and groups from the directory of a tenant (SCIM 2.0)',
  database: 'central',
  routes: {
    listUsers: route({
      ...READS,
      route: 'GET /scim/v2/Users',
      summary: 'People of your tenant',
      input: ListQuery,
      output: List,
      handle: async (query, call) => listUsers(query, await allowed(call)),
    }),
    getUser: route({
      ...READS,
      route: 'GET /scim/v2/Users/:id',
      summary: 'One of them',
      input: Id,
      output: Resource,
      handle: async ({ id }, call) => getUser(id, await allowed(call)),
    }),
    createUser: route({
      ...CREATES,
      route: 'POST /scim/v2/Users',
      summary: 'Add a person',
      input: Body,
      output: Resource,
      examples: [
        {
          summary: 'As a directory sends it',
          input: {
            schemas: ['urn:ietf:params:scim:schemas:core:2.0:User'],
            userName: 'grace@example.com',
            name: { givenName: 'Grace', familyName: 'Hopper' },
            active: true,
          },
        },
      ],
      location: (user) => locationOf(user),
      handle: async (body, call) => createUser(readUser(body), await allowed(call)),
    }),
    replaceUser: route({
      ...WRITES,
      route: 'PUT /scim/v2/Users/:id',
      summary: 'Replace what is known of a person',
      input: Change,
      output: Resource,
      handle: async ({ id, ...body }, call) => replaceUser(id, readUser(body), await allowed(call)),
    }),
    patchUser: route({
      ...WRITES,
      route: 'PATCH /scim/v2/Users/:id',
      summary: 'Change a person; `active: false` ends sessions, keys and tokens within 5 seconds',
      input: Change,
      output: Resource,
      handle: async ({ id, ...body }, call) =>
        changeUser(id, readUserChanges(readOperations(body)), await allowed(call)),
    }),
    removeUser: route({
      ...REMOVES,
      route: 'DELETE /scim/v2/Users/:id',
      summary: 'Remove a person for good',
      input: Id,
      output: Nothing,
      handle: async ({ id }, call) => {
        await removeUser(id, await allowed(call))
        return {}
      },
    }),

    listGroups: route({
      ...READS,
      route: 'GET /scim/v2/Groups',
      summary: 'Groups of your directory; `excludedAttributes=members` leaves their members out',
      input: ListQuery,
      output: List,
      handle: async (query, call) => listGroups(query, await allowed(call)),
    }),
    getGroup: route({
      ...READS,
      route: 'GET /scim/v2/Groups/:id',
      summary: 'One of them',
      input: Id,
      output: Resource,
      handle: async ({ id, ...query }, call) =>
        getGroup(id, await allowed(call), !excludes(query, 'members')),
    }),
    createGroup: route({
      ...CREATES,
      route: 'POST /scim/v2/Groups',
      summary: 'Add a group; its members have the roles that the identity providers map its name to',
      input: Body,
      output: Resource,
      examples: [
        {
          summary: 'An empty group',
          input: { schemas: ['urn:ietf:params:scim:schemas:core:2.0:Group'], displayName: 'kgents-admins' },
        },
      ],
      location: (group) => locationOf(group),
      handle: async (body, call) => createGroup(readGroup(body), await allowed(call)),
    }),
    replaceGroup: route({
      ...WRITES,
      route: 'PUT /scim/v2/Groups/:id',
      summary: 'Replace a group and its members',
      input: Change,
      output: Resource,
      handle: async ({ id, ...body }, call) => replaceGroup(id, readGroup(body), await allowed(call)),
    }),
    patchGroup: route({
      ...WRITES,
      route: 'PATCH /scim/v2/Groups/:id',
      summary: 'Rename a group, add members or remove them',
      input: Change,
      output: Resource,
      handle: async ({ id, ...body }, call) => patchGroup(id, readOperations(body), await allowed(call)),
    }),
    removeGroup: route({
      ...REMOVES,
      route: 'DELETE /scim/v2/Groups/:id',
      summary: 'Remove a group',
      input: Id,
      output: Nothing,
      handle: async ({ id }, call) => {
        await removeGroup(id, await allowed(call))
        return {}
      },
    }),

    serviceProvider: route({
      ...PUBLIC,
      route: 'GET /scim/v2/ServiceProviderConfig',
      summary: 'What there is of SCIM',
      output: z.looseObject({ schemas: z.array(z.string()) }),
      handle: () => SERVICE_PROVIDER,
    }),
    resourceTypes: route({
      ...PUBLIC,
      route: 'GET /scim/v2/ResourceTypes',
      summary: 'Users and groups',
      output: List,
      handle: () => resourceTypes(),
    }),
    resourceType: route({
      ...PUBLIC,
      route: 'GET /scim/v2/ResourceTypes/:id',
      summary: 'One of them',
      input: Id,
      output: Resource,
      handle: ({ id }) => resourceType(id),
    }),
    schemas: route({
      ...PUBLIC,
      route: 'GET /scim/v2/Schemas',
      summary: 'Attributes of users and groups',
      output: List,
      handle: () => schemas(),
    }),
  },
})

function locationOf({ id, schemas: [schema = ''] }: z.infer<typeof Resource>): string {
  return `/scim/v2/${schema.slice(schema.lastIndexOf(':') + 1)}s/${id}`
}
