/**
 * Tools of agents: those of `world.tool` by their names, and AGENTESE paths. A model sees both as functions. They are called in the
 * name of whoever invoked the agent, so an agent can do nothing that its caller could not.
 */
import { z } from 'zod'
import { PATH_PATTERN } from '../../../../shared/agentese/path.ts'
import { beginningOf } from '../../../../shared/beginning.ts'
import type { Call } from '../../../../shared/contract/call.ts'
import { inputSchemaOf } from '../../../../shared/contract/schemas.ts'
import { Failure } from '../../../../shared/failures.ts'
import type { ToolCall, ToolSpec } from '../../../../shared/inference/messages.ts'
import { checkMayBeKept } from '../../../../shared/pipeline/check-access.ts'
import { findTool } from '../tool/rows.ts'
import { MAX_ANSWER, MAX_ARGUMENTS, MAX_SCHEMA } from './limits.ts'

/** Longest name of a function that models take. */
const MAX_NAME = 64

/** A tool as definitions name it. */
export const ToolName = z
  .string()
  .max(MAX_NAME)
  .regex(
    new RegExp(`^[a-z][a-z0-9_]*$|${PATH_PATTERN}`),
    'must be the name of a tool, or a path such as self.memory.recall',
  )

/** The name by which a model calls it: a tool of `world.tool` has no hyphen in its own. */
function functionNameOf(tool: string): string {
  return tool.replaceAll('.', '-')
}

function isPath(tool: string): boolean {
  return tool.includes('.')
}

/**
 * Checks that the tools are there.
 *
 * @throws Failure NOT_FOUND or NODE_NOT_REGISTERED for one that is not; TYPE_MISMATCH for a path that an agent may not have
 */
export async function checkTools(
  tools: readonly string[],
  call: Pick<Call, 'db' | 'findAspect'>,
): Promise<void> {
  for (const tool of tools) {
    if (isPath(tool)) await checkPath(tool, call)
    else await findTool(call.db, tool)
  }
}

async function checkPath(path: string, call: Pick<Call, 'findAspect'>): Promise<void> {
  const found = await call.findAspect(path)
  if (found === undefined)
    throw new Failure('NODE_NOT_REGISTERED', `Cannot give an agent "${path}": no node serves it`, {
      suggestion: 'GET /v1/agentese/discover lists the paths',
    })
  checkMayBeKept(path, found)
  const why = NOT_FOR_AGENTS[path] ?? NOT_FOR_AGENTS[found.definition.node ?? '']
  if (why !== undefined)
    throw new Failure('TYPE_MISMATCH', `Cannot give an agent "${path}": ${why}`, {
      suggestion: 'Give it the tools that it needs by name',
    })
}

/** Nodes and paths that no agent has: by them it would get around its list of tools, or answer what a person is asked. */
const NOT_FOR_AGENTS: Readonly<Record<string, string>> = {
  'world.agent': 'agents use no agents',
  'world.tool.invoke': 'it reaches every tool, whatever the agent has and whatever waits for a person',
  'world.purgatory': 'its questions are for people',
  'self.consent': "consent is a person's own",
  'self.soul.accept': "consent is a person's own",
  'time.schedule.defer': 'what is deferred may be any call',
}

/** What a model is shown of the tools; of those that are there no more, nothing. */
export async function specsOf(
  tools: readonly string[],
  { db, findAspect }: Pick<Call, 'db' | 'findAspect'>,
): Promise<ToolSpec[]> {
  const names = tools.filter((tool) => !isPath(tool))
  const rows =
    names.length === 0
      ? []
      : await db<{ name: string; description: string; input_schema: ToolSpec['parameters'] }[]>`
          select name, description, input_schema from tools
          where name in (select jsonb_array_elements_text(${db.json(names)}))`
  const specs: ToolSpec[] = []
  for (const tool of tools) {
    const row = rows.find(({ name }) => name === tool)
    const found = isPath(tool) ? await findAspect(tool) : undefined
    if (row !== undefined) specs.push(specOf(tool, row.description, row.input_schema))
    if (found !== undefined)
      specs.push(
        specOf(tool, found.endpoint.summary, inputSchemaOf(found.endpoint) as ToolSpec['parameters']),
      )
  }
  return specs
}

function specOf(tool: string, description: string, schema: ToolSpec['parameters']): ToolSpec {
  const parameters = JSON.stringify(schema).length > MAX_SCHEMA ? { type: 'object' } : schema
  return { name: functionNameOf(tool), description: beginningOf(description, 500), parameters }
}

/** A call as it is dispatched. */
export interface WantedCall {
  tool: string
  path: string
  input: Record<string, unknown>
}

/** What is to be called; or why nothing can be, in words for the model. */
export function wantedOf(call: ToolCall, tools: readonly string[]): WantedCall | { problem: string } {
  const tool = tools.find((each) => functionNameOf(each) === call.name || each === call.name)
  if (tool === undefined) {
    const names = tools.map(functionNameOf).join(', ')
    return { problem: `Error: there is no tool "${beginningOf(call.name, 100)}". Your tools: ${names}` }
  }
  const given = argumentsOf(call.arguments)
  if (given === undefined)
    return {
      problem: `Error: the arguments of "${call.name}" are no JSON object of at most ${MAX_ARGUMENTS} characters`,
    }
  return isPath(tool)
    ? { tool, path: tool, input: given }
    : { tool, path: 'world.tool.invoke', input: { tool, arguments: given } }
}

function argumentsOf(text: string): Record<string, unknown> | undefined {
  if (text.trim() === '') return {}
  if (text.length > MAX_ARGUMENTS) return undefined
  try {
    const parsed: unknown = JSON.parse(text)
    const isObject = typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)
    return isObject ? (parsed as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}

/** What a tool answered, as text of a bounded length; that it was cut is said at its end. */
export function answerText(path: string, result: unknown): string {
  const said = path === 'world.tool.invoke' ? (result as { output?: unknown } | null)?.output : result
  return cut(typeof said === 'string' ? said : (JSON.stringify(said) ?? ''))
}

/** Why a tool gave no answer. */
export function failureText({ code, message, facts }: Pick<Failure, 'code' | 'message' | 'facts'>): string {
  const hint = facts.suggestion === undefined ? '' : `. ${facts.suggestion}`
  return cut(`Error ${code}: ${message}${hint}`)
}

function cut(text: string): string {
  const kept = text.replaceAll('\0', '')
  if (kept.length <= MAX_ANSWER) return kept.toWellFormed()
  return `${beginningOf(kept, MAX_ANSWER)}\n[Cut: the first ${MAX_ANSWER} of ${kept.length} characters]`
}
