/** `self.identity`: who the platform takes you for, and what that lets you do. */
import { z } from 'zod'
import { capabilitiesOf } from '../../../shared/agentese/capabilities.ts'
import { archetypesFor } from '../../../shared/agentese/observer.ts'
import type { Call } from '../../../shared/contract/call.ts'
import { aspectsOf } from '../../../shared/contract/find-aspect.ts'
import { aspect, defineNode, NoInput } from '../../../shared/contract/define-node.ts'
import { TIERS } from '../../../shared/plans/tiers.ts'
import { PERMISSIONS, ROLES } from '../../../shared/identity/permissions.ts'

const Plan = z.enum(TIERS)

export const selfIdentity = defineNode('self.identity', {
  summary: 'Who you are here',
  aspects: {
    manifest: aspect({
      category: 'P',
      archetypes: 'all',
      summary: 'Your name, and your archetype',
      effects: ['reads:identity'],
      input: NoInput,
      output: z.strictObject({
        type: z.literal('identity'),
        user: z.uuid(),
        name: z.string().nullable(),
        archetype: z.string(),
        plan: Plan,
      }),
      examples: [{ summary: 'Who am I?', input: {} }],
      async handle(_input, call) {
        const { identity, observer } = call
        return {
          type: 'identity' as const,
          user: identity.user,
          name: await nameOf(call),
          archetype: observer.archetype,
          plan: identity.tier,
        }
      },
    }),

    reflect: aspect({
      category: 'P',
      archetypes: 'all',
      summary: 'All that your credential states about you, and what follows from it',
      effects: ['reads:identity', 'reads:capabilities'],
      needs: ['catalog'],
      input: NoInput,
      output: z.strictObject({
        user: z.uuid(),
        tenant: z.uuid(),
        name: z.string().nullable(),
        roles: z.array(z.enum(ROLES)),
        archetype: z.string(),
        archetypes: z.array(z.string()),
        capabilities: z.array(z.string()),
        permissions: z.array(z.enum(PERMISSIONS)),
        /** What the credential was narrowed to; null is all that the permissions allow. */
        scopes: z.array(z.string()).nullable(),
        plan: Plan,
      }),
      examples: [{ summary: 'What may I do?', input: {} }],
      async handle(_input, call) {
        const { identity, observer, db, catalog } = call
        const verbs = async () => aspectsOf(await catalog())
        return {
          user: identity.user,
          tenant: identity.tenant,
          name: await nameOf(call),
          roles: identity.roles,
          archetype: observer.archetype,
          archetypes: [...archetypesFor(identity.roles)],
          capabilities: await capabilitiesOf(db, identity, verbs),
          permissions: identity.permissions,
          scopes: identity.scopes ?? null,
          plan: identity.tier,
        }
      },
    }),
  },
})

/** Null where the person is no longer there, though its credential still is good. */
async function nameOf({ db, identity }: Pick<Call, 'db' | 'identity'>): Promise<string | null> {
  const [row] = await db<{ name: string }[]>`select name from users where id = ${identity.user}`
  return row?.name ?? null
}
