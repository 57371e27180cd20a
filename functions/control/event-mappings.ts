/**
 * Mappings: when an event of some type comes in, invoke a path, as the person who made the mapping and with the rights that
 * this person has at that moment. What became of each event can be looked up.
 */
import { z } from 'zod'
import { formatPath, parsePath, PATH_PATTERN } from '../../shared/agentese/path.ts'
import type { Call } from '../../shared/contract/call.ts'
import { wholeNumber } from '../../shared/contract/query-values.ts'
import { defineOperation, route, trigger } from '../../shared/contract/define-operation.ts'
import { NextCursor } from '../../shared/contract/pages.ts'
import { oneAtATime } from '../../shared/database/one-at-a-time.ts'
import { isReserved } from '../../shared/events/event.ts'
import { Failure } from '../../shared/failures.ts'
import { newId } from '../../shared/new-id.ts'
import { checkMayBeKept } from '../../shared/pipeline/check-access.ts'
import { MAPPING_MATCHED, MappedEvent, MAX_MAPPINGS } from './event-mappings/matching.ts'
import { runMapping } from './event-mappings/run.ts'
import {
  describe,
  findMapping,
  listMappings,
  Mapping,
  NEWEST_FIRST,
  type MappingRow,
} from './event-mappings/rows.ts'
import { Template } from './event-mappings/template.ts'

const MappingId = z.strictObject({ id: z.uuid() })
const MappingAnswer = z.strictObject({ mapping: Mapping })

const NewMapping = z.strictObject({
  type: z
    .string()
    .max(200)
    .regex(/^[A-Za-z0-9_:/+@~.-]+\*?$|^\*$/, 'is a type, or the beginning of types and *')
    .refine((type) => !isReserved(type), 'belongs to the platform, whose events are not mapped'),
  source: z.string().min(1).max(1024).optional(),
  path: z.string().max(200).meta({ pattern: PATH_PATTERN }),
  input: Template.default({}),
  archetype: z.string().max(64).optional(),
  description: z.string().max(500).optional(),
})

export const eventMappings = defineOperation({
  name: 'event-mappings',
  summary: "Invokes paths when events of a tenant's own systems come in",
  scale: { timeoutSeconds: 60 },
  routes: {
    create: route({
      route: 'POST /v1/event-mappings',
      summary: 'Invoke a path whenever an event of a type comes in',
      permission: 'events:write',
      scopes: ['event_mapping:write'],
      needs: ['postgres', 'catalog'],
      input: NewMapping,
      output: MappingAnswer,
      examples: [
        {
          summary: 'Draw entropy whenever an order is made',
          input: {
            type: 'com.example.order.*',
            path: 'void.entropy.sip',
            input: { amount: { $from: '/data/amount', default: 0.1 } },
          },
        },
      ],
      writes: true,
      status: () => 201,
      statuses: [201],
      handle: (wanted, call) => create(wanted, call),
    }),

    list: route({
      route: 'GET /v1/event-mappings',
      summary: 'Your mappings, newest first',
      permission: 'agentese:read',
      scopes: ['event_mapping:read'],
      needs: ['postgres'],
      input: z.strictObject({
        limit: wholeNumber(1, 100).default(20),
        cursor: NEWEST_FIRST.Cursor.optional(),
      }),
      output: z.strictObject({ mappings: z.array(Mapping), next_cursor: NextCursor }),
      handle: (page, call) => listMappings(page, call),
    }),

    get: route({
      route: 'GET /v1/event-mappings/:id',
      summary: 'One mapping, with its last run and its last failures',
      permission: 'agentese:read',
      scopes: ['event_mapping:read'],
      needs: ['postgres'],
      input: MappingId,
      output: MappingAnswer,
      handle: async ({ id }, call) => ({ mapping: present(await findMapping(id, call), id) }),
    }),

    delete: route({
      route: 'DELETE /v1/event-mappings/:id',
      summary: 'Remove a mapping; what it has begun goes on',
      permission: 'events:write',
      scopes: ['event_mapping:delete'],
      needs: ['postgres'],
      input: MappingId,
      output: MappingAnswer,
      writes: true,
      async handle({ id }, call) {
        const mapping = present(await findMapping(id, call), id)
        await call.db`delete from event_mappings where id = ${id}`
        return { mapping }
      },
    }),
  },
  triggers: [
    trigger({
      name: 'matched',
      attributes: { type: MAPPING_MATCHED },
      needs: ['postgres', 'catalog', 'functions'],
      data: z.object({ mappings: z.array(z.uuid()), message: z.uuid(), event: MappedEvent }),
      // It waits for the function that serves the path.
      transaction: false,
      async handle({ mappings, message, event }, call) {
        const runs = await Promise.allSettled(
          mappings.map((mapping) => runMapping(mapping, { message, event }, call)),
        )
        const failed = runs.find((run) => run.status === 'rejected')
        // Delivered again, those that have succeeded are left alone.
        if (failed !== undefined) throw failed.reason
      },
    }),
  ],
})

async function create(
  wanted: z.infer<typeof NewMapping>,
  call: Pick<Call, 'db' | 'identity' | 'findAspect'>,
): Promise<z.infer<typeof MappingAnswer>> {
  const { db, identity, findAspect } = call
  if (identity.scopes !== undefined) {
    throw new Failure(
      'SCOPE_MISSING',
      'Cannot make a mapping with a narrowed token: it acts with all your rights',
      {
        suggestion: 'Use your API key, or a token without scopes',
      },
    )
  }
  const path = formatPath(parsePath(wanted.path))
  const found = await findAspect(path)
  if (found === undefined) {
    throw new Failure('NODE_NOT_REGISTERED', `Cannot map to "${path}": no node serves it`, {
      suggestion: 'GET /v1/agentese/discover lists every path',
    })
  }
  checkMayBeKept(path, found)
  await oneAtATime('event mappings', call)
  const [counted] = await db<{ count: number }[]>`select count(*)::int as count from event_mappings`
  if ((counted?.count ?? 0) >= MAX_MAPPINGS) {
    throw new Failure('QUOTA_EXCEEDED', `Cannot make a mapping: your tenant has ${MAX_MAPPINGS} already`, {
      suggestion: 'Remove one that is not needed',
    })
  }
  const { type, source = null, archetype = null, description = null, input } = wanted
  const [row] = await db<MappingRow[]>`
    insert into event_mappings (id, tenant_id, user_id, type, source, path, input, archetype, description)
    values (${newId()}, ${identity.tenant}, ${identity.user}, ${type}, ${source}, ${path}, ${db.json(input)}, ${archetype}, ${description})
    returning *, null as last_run, '[]'::jsonb as failures`
  return { mapping: present(row, '') }
}

function present(row: MappingRow | undefined, id: string): z.infer<typeof Mapping> {
  if (row !== undefined) return describe(row)
  throw new Failure('NOT_FOUND', `Cannot find mapping "${id}"`, {
    suggestion: 'GET /v1/event-mappings lists your mappings',
  })
}
