/** What a server says that a tool of it is: what we take of it, and the hash by which a change is noticed. */
import { createHash } from 'node:crypto'
import { z } from 'zod'
import { beginningOf } from '../../../../../shared/beginning.ts'
import { isDeeper } from '../deeper.ts'
import { ObjectSchema, type JsonSchema } from '../schema.ts'
import { Name } from '../shapes.ts'
import { reduceSchema } from './reduce-schema.ts'

/** Of JSON, of one tool. */
const MAX_CONTRACT = 65_536
const DEEPEST = 32
const MAX_DESCRIPTION = 2000

const RemoteTool = z.looseObject({
  name: z.string().regex(/^[A-Za-z0-9_./-]{1,128}$/, 'has characters that a name cannot have'),
  description: z.string().max(MAX_DESCRIPTION).default(''),
  inputSchema: z.looseObject({ type: z.literal('object') }),
})

/** What is pinned of a tool, as its server wrote it. */
export interface RemoteContract {
  name: string
  description: string
  inputSchema: Record<string, unknown>
}

export interface ReadTool {
  contract: RemoteContract
  /** SHA-256 of the contract, in hex. */
  pin: string
  /** What arguments are checked by here; the server checks them by the whole of its own. */
  schema: JsonSchema
  /** For people and models: without characters that do not show. */
  description: string
}

/** Reads one tool of a server's list; where it cannot be taken, why not. */
export function readRemoteTool(given: unknown): ReadTool | { name: string; reason: string } {
  const name = nameIn(given)
  if (isDeeper(given, DEEPEST)) return { name, reason: `is nested deeper than ${DEEPEST} levels` }
  if (JSON.stringify(given).length > MAX_CONTRACT)
    return { name, reason: `is larger than ${MAX_CONTRACT} bytes` }
  const tool = RemoteTool.safeParse(given)
  if (!tool.success) return { name, reason: problemOf(tool.error) }
  const { description, inputSchema } = tool.data
  const schema = ObjectSchema.safeParse(reduceSchema(inputSchema))
  if (!schema.success) return { name, reason: `has no usable input schema: ${problemOf(schema.error)}` }
  const contract = { name: tool.data.name, description, inputSchema }
  return { contract, pin: pinOf(contract), schema: schema.data, description: visible(description) }
}

/** What the tool of that name is by now; undefined where there is none, or more than one. */
export function findRemoteTool(
  tools: readonly unknown[],
  name: string,
): ReturnType<typeof readRemoteTool> | undefined {
  const found = tools.filter((tool) => (tool as { name?: unknown } | null)?.name === name)
  return found.length === 1 ? readRemoteTool(found[0]) : undefined
}

/** The hash of a contract: the same however its members are ordered. */
function pinOf({ name, description, inputSchema }: RemoteContract): string {
  return createHash('sha256')
    .update(JSON.stringify(inOrder([name, description, inputSchema])))
    .digest('hex')
}

/** The name of a tool here; undefined where none can be made of it. */
export function localName(prefix: string, remote: string): string | undefined {
  const name = `${prefix}${remote.toLowerCase().replaceAll(/[^a-z0-9_]/g, '_')}`
  return Name.safeParse(name).data
}

function inOrder(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(inOrder)
  if (typeof value !== 'object' || value === null) return value
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  // As pairs: an object of its own would have numbers first, whatever their order here.
  return { members: members.map(([name, each]) => [name, inOrder(each)]) }
}

function visible(text: string): string {
  return text.toWellFormed().replaceAll(/(?![\n\t])[\p{Cc}\p{Cf}]/gu, '')
}

function nameIn(given: unknown): string {
  const { name } = (given ?? {}) as { name?: unknown }
  return typeof name === 'string' ? visible(beginningOf(name, 60)) : '(without a name)'
}

function problemOf({ issues: [issue] }: z.ZodError): string {
  return issue === undefined ? 'is not usable' : `${issue.path.join('.') || 'it'}: ${issue.message}`
}
