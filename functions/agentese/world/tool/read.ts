/** Which tools there are, and what the contract of one says. */
import { z } from 'zod'
import { Basic } from '../../../../shared/agentese/manifest/payloads.ts'
import { aspect } from '../../../../shared/contract/define-node.ts'
import { NextCursor, orderBy } from '../../../../shared/contract/pages.ts'
import { findTool, type ToolRow } from './rows.ts'
import { secretsIn } from './secrets.ts'
import { Name, Tool, viewOf, WITH_WEATHER } from './shapes.ts'

export const manifest = aspect({
  category: 'P',
  archetypes: 'all',
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
        limit: identity.plan.limits.tools,
        origins: origins.map(({ origin }) => origin),
      },
    }
  },
})

const BY_NAME = orderBy({ name: 'text' }, 'asc')

export const list = aspect({
  category: 'P',
  archetypes: 'all',
  summary: 'Tools by name',
  effects: ['reads:tool'],
  input: z.strictObject({ limit: z.int().min(1).max(100).default(50), cursor: BY_NAME.Cursor.optional() }),
  output: z.strictObject({ tools: z.array(Tool), next_cursor: NextCursor }),
  examples: [{ summary: 'Which tools are there?', input: {} }],
  async handle(bounds, { db }) {
    const { page, next_cursor } = await BY_NAME.readPage(db, db<ToolRow[]>`select * from tools`, bounds)
    return {
      tools: page.map(viewOf),
      next_cursor,
    }
  },
})

/** What everybody may know of a tool: of headers the names, of secrets the names. */
function contractOf(tool: ToolRow): z.infer<typeof Basic> {
  const { name, description, method, url, headers, input_schema, output_schema, timeout_seconds, mcp } = tool
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
      ...(mcp === null
        ? {}
        : {
            mcp: { name: mcp.remote, pin: mcp.pin, protocol: mcp.protocol, changed: mcp.changed_to !== null },
          }),
    },
  }
}
