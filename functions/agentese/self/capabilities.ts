/**
 * `self.capabilities`: verbs that a person takes on, to keep its archetype and use them all the same. One may take on
 * what one of the archetypes that one's roles allow has, and nothing more.
 */
import { z } from 'zod'
import { capabilitiesWithin, type Verb } from '../../../shared/agentese/affordances.ts'
import { capabilitiesOf } from '../../../shared/agentese/capabilities.ts'
import { archetypesFor } from '../../../shared/agentese/observer.ts'
import type { Call } from '../../../shared/contract/call.ts'
import { aspect, defineNode, NoInput } from '../../../shared/contract/define-node.ts'
import { aspectsOf } from '../../../shared/contract/find-aspect.ts'
import { oneAtATime } from '../../../shared/database/one-at-a-time.ts'
import { Failure } from '../../../shared/failures.ts'

const Capability = z
  .string()
  .max(200)
  .meta({ description: 'A node and one of its verbs, such as world.*.define' })

export const selfCapabilities = defineNode('self.capabilities', {
  summary: 'Verbs that you have besides those of your archetype',
  aspects: {
    manifest: aspect({
      category: 'P',
      archetypes: 'all',
      summary: 'What you have taken on, and how much you could',
      effects: ['reads:capabilities'],
      needs: ['catalog'],
      input: NoInput,
      output: z.strictObject({
        type: z.literal('capabilities'),
        archetype: z.string(),
        held: z.array(Capability),
        available_count: z.int(),
      }),
      examples: [{ summary: 'What have I taken on?', input: {} }],
      async handle(_input, call) {
        const verbs = aspectsOf(await call.catalog())
        const held = await capabilitiesOf(call.db, call.identity, () => verbs)
        const available_count = withinReach(call, verbs).length
        return { type: 'capabilities' as const, archetype: call.observer.archetype, held, available_count }
      },
    }),

    list: aspect({
      category: 'P',
      archetypes: 'all',
      summary: 'Every capability that you could take on, and whether you have',
      effects: ['reads:capabilities'],
      needs: ['catalog'],
      input: NoInput,
      output: z.strictObject({
        capabilities: z.array(z.strictObject({ capability: Capability, held: z.boolean() })),
      }),
      examples: [{ summary: 'What could I take on?', input: {} }],
      async handle(_input, call) {
        const verbs = aspectsOf(await call.catalog())
        const held = await capabilitiesOf(call.db, call.identity, () => verbs)
        const all = [...new Set([...withinReach(call, verbs), ...held])].sort()
        return { capabilities: all.map((capability) => ({ capability, held: held.includes(capability) })) }
      },
    }),

    acquire: aspect({
      category: 'M',
      archetypes: 'all',
      summary: 'Acquire a verb, whatever your archetype',
      effects: ['reads:capabilities', 'writes:capabilities'],
      needs: ['catalog'],
      input: z.strictObject({ capability: Capability }),
      output: z.strictObject({ capability: Capability, status: z.enum(['acquired', 'held']) }),
      examples: [{ summary: 'Talk to K-gent also as a poet', input: { capability: 'self.soul.dialogue' } }],
      async handle({ capability }, call) {
        const verbs = aspectsOf(await call.catalog())
        checkReach(capability, withinReach(call, verbs))
        const { db, identity } = call
        await oneAtATime(`capabilities of ${identity.user}`, call)
        const acquired = await db`
          insert into capabilities (tenant_id, user_id, capability)
          values (${identity.tenant}, ${identity.user}, ${capability}) on conflict do nothing returning capability`
        if (acquired.length === 0) return { capability, status: 'held' as const }
        await recordHeld(call, verbs)
        return { capability, status: 'acquired' as const }
      },
    }),

    release: aspect({
      category: 'M',
      archetypes: 'all',
      summary: 'Put a verb down again',
      effects: ['deletes:capabilities'],
      needs: ['catalog'],
      input: z.strictObject({ capability: Capability }),
      output: z.strictObject({ capability: Capability, status: z.literal('released') }),
      examples: [
        {
          summary: 'Put it down',
          input: { capability: 'self.soul.dialogue' },
          given: [{ path: 'self.capabilities.acquire', input: { capability: 'self.soul.dialogue' } }],
        },
      ],
      async handle({ capability }, call) {
        const { db, identity } = call
        await oneAtATime(`capabilities of ${identity.user}`, call)
        const released = await db`
          delete from capabilities where user_id = ${identity.user} and capability = ${capability} returning capability`
        if (released.length === 0) throw notHeld(capability)
        await recordHeld(call, aspectsOf(await call.catalog()))
        return { capability, status: 'released' as const }
      },
    }),
  },
})

function withinReach({ identity }: Pick<Call, 'identity'>, verbs: readonly Verb[]): string[] {
  return capabilitiesWithin(archetypesFor(identity.roles), verbs)
}

/** Records what the caller has from now on. */
async function recordHeld(
  { db, identity, changed }: Pick<Call, 'db' | 'identity' | 'changed'>,
  verbs: readonly Verb[],
): Promise<void> {
  changed('self.capabilities', { capabilities: await capabilitiesOf(db, identity, () => verbs) })
}

function notHeld(capability: string): Failure {
  return new Failure('NOT_FOUND', `Cannot release "${capability}": you do not have it`, {
    suggestion: 'self.capabilities.list shows what you have',
  })
}

function checkReach(capability: string, available: readonly string[]): void {
  if (available.includes(capability)) return
  throw new Failure('AFFORDANCE_DENIED', `Cannot acquire "${capability}": none of your archetypes has it`, {
    suggestion: 'Acquire one of the available capabilities',
    available,
  })
}
