/**
 * `world.tool`: HTTP interfaces that a tenant makes into verbs. A tool is a contract, with schemas of what goes in and what
 * comes out; where it may go is the fence's to say (`shared/egress/fenced-request.ts`), and what it may send of secrets, an
 * admin's.
 */
import { z } from 'zod'
import { Basic } from '../../../shared/agentese/manifest/payloads.ts'
import { aspect, defineNode } from '../../../shared/contract/define-node.ts'
import { jsonObject } from '../../../shared/contract/json-object.ts'
import { cutPage } from '../../../shared/contract/pages.ts'
import type { Db } from '../../../shared/database/database.ts'
import { Failure } from '../../../shared/failures.ts'
import { toHeaders } from '../../../shared/egress/fenced-hop.ts'
import { HOLDINGS, leavePlace, takePlace } from '../../../shared/plans/holdings.ts'
import { callTool } from './tool/call.ts'
import { findTool, prepareTool, type ToolRow } from './tool/rows.ts'
import { AnySchema, ObjectSchema } from './tool/schema.ts'
import { checkNothingTold, SECRET_NAME, secretsIn } from './tool/secrets.ts'
import { readTemplate } from './tool/template.ts'

/** Bytes of JSON. */
const LARGEST_ARGUMENTS = 65_536
const MOST_HEADERS = 20
/** Of each kind, in one tenant. */
const MOST_ORIGINS = 100
const MOST_SECRETS = 100

const Name = z
  .string()
  .regex(/^[a-z][a-z0-9_]{0,63}$/, 'must be a lower-case letter followed by a-z, 0-9 or _')
const SecretName = z.string().regex(SECRET_NAME, 'must be a capital letter followed by A-Z, 0-9 or _')
const Origin = z
  .string()
  .max(300)
  .refine(
    (text) => /^https?:/.test(text) && URL.parse(text)?.origin === text,
    'is no origin such as https://api.example.com',
  )

const Tool = z.strictObject({
  name: z.string(),
  description: z.string(),
  method: z.string(),
  url: z.string(),
})
type Tool = z.infer<typeof Tool>

const WEATHER = {
  name: 'weather',
  description: 'The weather of a city',
  url: 'https://api.example.com/weather/{city}?units={units}',
  input_schema: {
    type: 'object' as const,
    properties: { city: { type: 'string' as const }, units: { enum: ['metric', 'imperial'] } },
    required: ['city'],
    additionalProperties: false,
  },
}
const WITH_WEATHER = [{ path: 'world.tool.define', input: WEATHER }]

export const worldTool = defineNode('world.tool', {
  summary: 'HTTP interfaces as tools with a contract',
  secrets: ['TOOL_SECRET_KEY'],
  aspects: {
    manifest: aspect({
      category: 'P',
      summary: 'How many tools there are; with a name, the contract of that tool',
      effects: ['reads:tool'],
      input: z.strictObject({ tool: Name.optional() }),
      output: Basic,
      examples: [
        { summary: 'Look at the tools', input: {} },
        { summary: 'What does one take?', input: { tool: 'weather' }, given: WITH_WEATHER },
      ],
      async handle({ tool }, { db, identity }) {
        if (tool !== undefined) return contractOf(await findTool(db, tool))
        const [count] = await db<{ tools: number }[]>`select count(*)::integer as tools from tools`
        const origins = await db<{ origin: string }[]>`select origin from tool_origins order by origin`
        const tools = count?.tools ?? 0
        return {
          type: 'basic' as const,
          summary: 'world.tool: tools',
          content: `There are ${tools} tools.`,
          metadata: {
            tools,
            limit: HOLDINGS.tool[identity.tier],
            origins: origins.map(({ origin }) => origin),
          },
        }
      },
    }),

    define: aspect({
      category: 'G',
      summary: 'Make a tool of an HTTP interface',
      effects: ['writes:tool'],
      input: z.strictObject({
        name: Name,
        description: z.string().trim().max(500).default(''),
        method: z.enum(['GET', 'POST', 'PUT', 'PATCH', 'DELETE']).default('GET'),
        /** `{argument}` in segments of the path and values of the query; other arguments make the body. */
        url: z.string().min(1).max(2000),
        /** `{secret:NAME}` stands for a secret. */
        headers: z
          .record(z.string().min(1).max(60), z.string().max(1000))
          .refine((headers) => Object.keys(headers).length <= MOST_HEADERS, `are more than ${MOST_HEADERS}`)
          .default({}),
        input_schema: ObjectSchema.default({ type: 'object', additionalProperties: false }),
        output_schema: AnySchema.optional(),
        timeout_seconds: z.int().min(1).max(20).default(10),
      }),
      output: Tool,
      examples: [{ summary: 'The weather', input: WEATHER }],
      async handle(tool, { db, identity }) {
        checkTool(tool)
        const made = await db<ToolRow[]>`
          insert into tools (tenant_id, name, description, method, url, headers, input_schema, output_schema,
                             timeout_seconds, created_by)
          values (${identity.tenant}, ${tool.name}, ${tool.description}, ${tool.method}, ${tool.url},
                  ${db.json(tool.headers)}, ${db.json(tool.input_schema as never)},
                  ${tool.output_schema === undefined ? null : db.json(tool.output_schema as never)},
                  ${tool.timeout_seconds}, ${identity.user})
          on conflict do nothing returning *`
        if (made[0] === undefined) {
          throw new Failure(
            'STATE_CONFLICT',
            `Cannot define tool "${tool.name}": there is one of that name`,
            {
              suggestion: 'Remove it first with world.tool.remove, or choose another name',
            },
          )
        }
        await takePlace(db, identity, 'tool')
        return viewOf(made[0])
      },
    }),

    list: aspect({
      category: 'P',
      summary: 'Tools by name',
      effects: ['reads:tool'],
      input: z.strictObject({ limit: z.int().min(1).max(100).default(50), cursor: Name.optional() }),
      output: z.strictObject({ tools: z.array(Tool), next_cursor: z.string().nullable() }),
      examples: [{ summary: 'Which tools are there?', input: {} }],
      async handle({ limit, cursor = '' }, { db }) {
        const rows = await db<
          ToolRow[]
        >`select * from tools where name > ${cursor} order by name limit ${limit + 1}`
        const { page, next_cursor } = cutPage(rows, limit, ({ name }) => name)
        return {
          tools: page.map(viewOf),
          next_cursor,
        }
      },
    }),

    remove: aspect({
      category: 'M',
      summary: 'Take a tool away',
      effects: ['deletes:tool'],
      input: z.strictObject({ tool: Name }),
      output: z.strictObject({ removed: z.string() }),
      examples: [{ summary: 'No more weather', input: { tool: 'weather' }, given: WITH_WEATHER }],
      async handle({ tool }, { db }) {
        const removed = await db`delete from tools where name = ${tool} returning name`
        if (removed.length === 0) await findTool(db, tool)
        await leavePlace(db, 'tool')
        return { removed: tool }
      },
    }),

    invoke: aspect({
      category: 'M',
      summary: 'Use a tool',
      effects: ['reads:tool', 'calls:tool', 'charges:tool_calls'],
      cost: () => ({ tool_calls: 1 }),
      transaction: false,
      input: z.strictObject({
        tool: Name,
        arguments: jsonObject(LARGEST_ARGUMENTS).optional(),
        /** The result of the stage before: arguments, as far as `arguments` does not say otherwise. */
        input: jsonObject(LARGEST_ARGUMENTS).optional(),
      }),
      output: z.strictObject({
        tool: z.string(),
        /** Of HTTP, 200 to 299. */
        status: z.int(),
        /** JSON as it was answered, else text; null where the answer was empty. */
        output: z.unknown(),
      }),
      examples: [
        {
          summary: 'How is the weather?',
          input: { tool: 'weather', arguments: { city: 'Oslo' } },
          outside: true,
          given: WITH_WEATHER,
        },
      ],
      async handle({ tool, input, arguments: given }, call) {
        const prepared = await call.transact('read', (reading) => prepareTool(tool, reading))
        const answer = await callTool(prepared, { ...input, ...given }, call)
        call.charge('tool_calls', 1)
        return { tool, ...answer }
      },
    }),

    secret: aspect({
      category: 'M',
      summary: 'Store what tools send in their headers, and to whom; null forgets it',
      effects: ['writes:tool_secret'],
      permission: 'tenant:admin',
      secret: true,
      input: z
        .strictObject({
          name: SecretName,
          value: z
            .string()
            .min(8)
            .max(4000)
            .regex(
              /^[\u0021-\u007e\u0080-\u00ff]+( [\u0021-\u007e\u0080-\u00ff]+)*$/,
              'is nothing that a header can hold',
            )
            .nullable(),
          origins: z.array(Origin).max(10).default([]),
        })
        .refine(({ value, origins }) => (value === null) === (origins.length === 0), {
          path: ['origins'],
          message: 'name where it may be sent, and nothing for one that is forgotten',
        }),
      output: z.strictObject({ name: z.string(), stored: z.boolean(), origins: z.array(z.string()) }),
      examples: [
        {
          summary: 'A key for one interface',
          input: { name: 'WEATHER', value: 'put-your-key-here', origins: ['https://api.example.com'] },
        },
      ],
      async handle({ name, value, origins }, { db, identity, platform }) {
        if (value === null) {
          await db`delete from tool_secrets where name = ${name}`
          return { name, stored: false, origins: [] }
        }
        const sealed = platform.secretBox.seal(identity.tenant, name, value)
        await db`
          insert into tool_secrets (tenant_id, name, sealed, origins, updated_by)
          values (${identity.tenant}, ${name}, ${sealed}, ${db.json(origins)}, ${identity.user})
          on conflict (tenant_id, name) do update
            set sealed = excluded.sealed, origins = excluded.origins, updated_by = excluded.updated_by, updated_at = now()`
        await checkFewer(db, 'tool_secrets', MOST_SECRETS)
        return { name, stored: true, origins }
      },
    }),

    allow: aspect({
      category: 'M',
      summary: 'Let tools go to an origin by http, or on an unusual port; or let them no longer',
      effects: ['writes:tool_origin'],
      permission: 'tenant:admin',
      input: z.strictObject({ origin: Origin, allowed: z.boolean().default(true) }),
      output: z.strictObject({ origin: z.string(), allowed: z.boolean() }),
      examples: [{ summary: 'An unusual port', input: { origin: 'https://api.example.com:9443' } }],
      async handle({ origin, allowed }, { db, identity }) {
        if (!allowed) await db`delete from tool_origins where origin = ${origin}`
        else {
          await db`
            insert into tool_origins (tenant_id, origin, allowed_by) values (${identity.tenant}, ${origin}, ${identity.user})
            on conflict do nothing`
          await checkFewer(db, 'tool_origins', MOST_ORIGINS)
        }
        return { origin, allowed }
      },
    }),
  },
})

type NewTool = Pick<ToolRow, 'url' | 'headers'> & {
  input_schema: { properties?: Record<string, unknown> | undefined; required?: string[] | undefined }
}

/** @throws Failure TYPE_MISMATCH where the parts of a contract do not go together */
function checkTool({ url, headers, input_schema: { properties = {}, required = [] } }: NewTool): void {
  const { inPath, inQuery } = readTemplate(url)
  const unknown = [...inPath, ...inQuery].find((name) => !Object.hasOwn(properties, name))
  if (unknown !== undefined)
    throw mismatch(`its URL takes "${unknown}"`, 'which is not in input_schema.properties')
  const optional = inPath.find((name) => !required.includes(name))
  if (optional !== undefined)
    throw mismatch(`the path takes "${optional}"`, 'which is not in input_schema.required')
  toHeaders(headers)
  checkNothingTold(headers)
}

function mismatch(what: string, why: string): Failure {
  return new Failure('TYPE_MISMATCH', `Cannot define a tool: ${what}, ${why}`, {
    suggestion: 'Describe every argument of the URL in input_schema, those of the path as required',
  })
}

/** What everybody may know of a tool: of headers the names, of secrets the names. */
function contractOf(tool: ToolRow): z.infer<typeof Basic> {
  const { name, description, method, url, headers, input_schema, output_schema, timeout_seconds } = tool
  return {
    type: 'basic',
    summary: `${name}: ${method} ${url}`,
    content: description,
    metadata: {
      name,
      method,
      url,
      headers: Object.keys(headers),
      secrets: secretsIn(headers),
      input_schema,
      output_schema,
      timeout_seconds,
    },
  }
}

function viewOf({ name, description, method, url }: ToolRow): Tool {
  return { name, description, method, url }
}

/** @throws Failure QUOTA_EXCEEDED where there is one too many now */
async function checkFewer(db: Db, table: 'tool_secrets' | 'tool_origins', most: number): Promise<void> {
  const [count] = await db<{ held: number }[]>`select count(*)::integer as held from ${db(table)}`
  if ((count?.held ?? 0) <= most) return
  throw new Failure('QUOTA_EXCEEDED', `Cannot store one more: a tenant has ${most} at most`, {
    suggestion: 'Take one away that you no longer need',
    details: { limit: most },
  })
}
