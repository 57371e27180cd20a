/** Making a tool, and removing it. */
import { z } from 'zod'
import { aspect } from '../../../../shared/contract/define-node.ts'
import { toHeaders } from '../../../../shared/egress/fenced-hop.ts'
import { Failure } from '../../../../shared/failures.ts'
import { leavePlace, takePlace } from '../../../../shared/plans/holdings.ts'
import { findTool, type ToolRow } from './rows.ts'
import { AnySchema, ObjectSchema } from './schema.ts'
import { checkNothingTold } from './secrets.ts'
import { Name, Tool, viewOf, WEATHER, WITH_WEATHER } from './shapes.ts'
import { readTemplate } from './template.ts'

const MAX_HEADERS = 20

export const define = aspect({
  category: 'G',
  archetypes: ['architect', 'developer', 'admin'],
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
      .refine((headers) => Object.keys(headers).length <= MAX_HEADERS, `are more than ${MAX_HEADERS}`)
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
              ${db.json(tool.headers)}, ${db.json(tool.input_schema)},
              ${tool.output_schema === undefined ? null : db.json(tool.output_schema)},
              ${tool.timeout_seconds}, ${identity.user})
      on conflict do nothing returning *`
    if (made[0] === undefined) {
      throw new Failure('STATE_CONFLICT', `Cannot define tool "${tool.name}": there is one of that name`, {
        suggestion: 'Remove it first with world.tool.remove, or choose another name',
      })
    }
    await takePlace(db, identity, 'tool')
    return viewOf(made[0])
  },
})

export const remove = aspect({
  category: 'M',
  archetypes: ['architect', 'developer', 'admin'],
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
