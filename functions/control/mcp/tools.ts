/** The tools that there are: three for everybody, and those that the key of the caller has pinned. Never one for each aspect. */
import { z } from 'zod'
import type { Tool } from '@modelcontextprotocol/server'
import { CONTEXTS } from '../../../shared/agentese/path.ts'
import type { Call } from '../../../shared/contract/call.ts'
import type { AspectFacts } from '../../../shared/contract/facts.ts'
import { AnyObject } from '../../../shared/contract/json-object.ts'
import { inputSchemaOf } from '../../../shared/contract/schemas.ts'
import { pinsOf } from './pins.ts'
import type { Serving } from './serving.ts'

const Path = z.string().min(1).max(200)

export const DiscoverInput = z.strictObject({
  context: z.enum(CONTEXTS).optional(),
  text: z.string().max(200).optional().describe('Words of the path or of what it does'),
  limit: z.int().min(1).max(200).default(50),
  offset: z.int().min(0).max(100_000).default(0),
})
export const DescribeInput = z.strictObject({ path: Path })
export const InvokeInput = z.strictObject({
  path: Path.describe('context.holon.aspect, such as void.entropy.sip'),
  input: AnyObject.default({}),
  archetype: z.string().max(64).optional().describe('What to look as, within your roles'),
})

const READS = { readOnlyHint: true, idempotentHint: true, destructiveHint: false, openWorldHint: false }

const FIXED: readonly Tool[] = [
  {
    name: 'discover',
    description: 'Find AGENTESE paths, with what each does',
    inputSchema: schemaOf(DiscoverInput),
    annotations: READS,
  },
  {
    name: 'describe',
    description: 'What one path takes, answers, does and costs',
    inputSchema: schemaOf(DescribeInput),
    annotations: READS,
  },
  {
    name: 'invoke',
    description: 'Call any path as yourself',
    inputSchema: schemaOf(InvokeInput),
    // Whatever a path may do.
    annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: false, openWorldHint: true },
  },
]

/** All tools of the caller, but for pinned paths that exist no more. */
export async function listTools(isLegacy: boolean, call: Serving): Promise<{ tools: Tool[] }> {
  const pins = await pinsOf(call)
  const pinned = await Promise.all(pins.map((pin) => toolOf(pin, isLegacy, call)))
  const fixed = isLegacy ? FIXED.map(withTasks) : FIXED
  return { tools: [...fixed, ...pinned.flat()] }
}

/** Revision 2026-07-28 has no word for who may become a task: there the server decides. */
async function toolOf(
  { name, path }: { name: string; path: string },
  isLegacy: boolean,
  { findAspect }: Pick<Call, 'findAspect'>,
): Promise<Tool[]> {
  const found = await findAspect(path)
  if (found === undefined) return []
  const { endpoint } = found
  return [
    {
      name,
      title: path,
      description: endpoint.summary,
      inputSchema: { ...inputSchemaOf(endpoint), type: 'object' },
      annotations: hintsOf(endpoint.aspect),
      ...(isLegacy ? { execution: { taskSupport: endpoint.streams ? 'optional' : 'forbidden' } } : {}),
    },
  ]
}

function withTasks(tool: Tool): Tool {
  return tool.name === 'invoke' ? { ...tool, execution: { taskSupport: 'optional' } } : tool
}

/** What a client may know of a call before it makes it. Where nothing may be written, PostgreSQL refuses it. */
export function hintsOf({ category, effects }: AspectFacts): NonNullable<Tool['annotations']> {
  const has = (...kinds: string[]) => effects.some((effect) => kinds.includes(effect.split(':', 1)[0] ?? ''))
  const readOnly = category === 'P' || category === 'C' || category === 'I'
  return {
    readOnlyHint: readOnly,
    destructiveHint: has('deletes', 'forces'),
    // What is deleted once is gone, however often it is called.
    idempotentHint: readOnly || (has('deletes') && !has('charges', 'earns', 'calls')),
    openWorldHint: has('calls'),
  }
}

function schemaOf(type: z.ZodType): Tool['inputSchema'] {
  const schema: object = z.toJSONSchema(type, { io: 'input' })
  return { ...schema, type: 'object' }
}
