/**
 * Domains of a tenant: claimed, proven by a DNS record or a file, and checked again for as long as they are the tenant's. One
 * domain belongs to one tenant at a time. Who signs in with a verified address of it may join by it, where the tenant says so.
 */
import { z } from 'zod'
import { defineOperation, route } from '../../shared/contract/define-operation.ts'
import { DomainName } from '../../shared/tenancy/domain-names.ts'
import { addDomain, changeDomain, removeDomain } from './domains/change.ts'
import { Domain, describe, findDomain, JoinRoles, listDomains } from './domains/rows.ts'
import { verifyDomain } from './domains/verify.ts'

/** For examples. */
const SOME_ID = '019a0000-0000-7000-8000-000000000000'

const DomainId = z.strictObject({ id: z.uuid() })
const DomainAnswer = z.strictObject({ domain: Domain })

export const domains = defineOperation({
  name: 'domains',
  summary: 'The domains of a tenant, and who joins it by them',
  database: 'central',
  routes: {
    add: route({
      route: 'POST /v1/domains',
      summary: 'Claim a domain; the answer has what to put into its DNS or onto its web server',
      permission: 'tenant:admin',
      scopes: ['domain:write'],
      needs: ['postgres'],
      input: z.strictObject({ name: DomainName, join_roles: JoinRoles.default(null) }),
      output: DomainAnswer,
      examples: [{ summary: 'Ours', input: { name: 'initech.com', join_roles: ['developer'] } }],
      writes: true,
      status: () => 201,
      statuses: [201],
      async handle(wanted, call) {
        const id = await addDomain(wanted, call)
        return { domain: describe(await findDomain(id, call)) }
      },
    }),

    list: route({
      route: 'GET /v1/domains',
      summary: 'The domains of your tenant, by their names',
      permission: 'tenant:admin',
      scopes: ['domain:read'],
      needs: ['postgres'],
      input: z.strictObject({}),
      output: z.strictObject({ domains: z.array(Domain) }),
      handle: async (_input, call) => ({ domains: (await listDomains(call)).map(describe) }),
    }),

    get: route({
      route: 'GET /v1/domains/:id',
      summary: 'One domain',
      permission: 'tenant:admin',
      scopes: ['domain:read'],
      needs: ['postgres'],
      input: DomainId,
      output: DomainAnswer,
      handle: async ({ id }, call) => ({ domain: describe(await findDomain(id, call)) }),
    }),

    change: route({
      route: 'PATCH /v1/domains/:id',
      summary: 'Set the roles of those who join by a domain; null is that nobody does',
      permission: 'tenant:admin',
      scopes: ['domain:write'],
      needs: ['postgres'],
      input: DomainId.extend({ join_roles: JoinRoles }),
      output: DomainAnswer,
      examples: [{ summary: 'Nobody joins by it', input: { id: SOME_ID, join_roles: null } }],
      writes: true,
      async handle(wanted, call) {
        await changeDomain(wanted, call)
        return { domain: describe(await findDomain(wanted.id, call)) }
      },
    }),

    verify: route({
      route: 'POST /v1/domains/:id/verify',
      summary: 'Have the proof of a domain looked for, in its DNS and on its web server',
      permission: 'tenant:admin',
      scopes: ['domain:write'],
      needs: ['postgres', 'outside'],
      transaction: false,
      input: DomainId,
      output: DomainAnswer,
      writes: true,
      async handle({ id }, call) {
        await verifyDomain(id, call)
        return {
          domain: await call.transact('read', async (reading) => describe(await findDomain(id, reading))),
        }
      },
    }),

    remove: route({
      route: 'DELETE /v1/domains/:id',
      summary: 'Give a domain up; people who have joined by it stay',
      permission: 'tenant:admin',
      scopes: ['domain:delete'],
      needs: ['postgres'],
      input: DomainId,
      output: DomainAnswer,
      writes: true,
      async handle({ id }, call) {
        const row = await findDomain(id, call)
        await removeDomain(row, call)
        return { domain: describe(row) }
      },
    }),
  },
})
