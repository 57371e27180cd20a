/** Using a tool. */
import { z } from 'zod'
import { BUILDERS } from '../../../../shared/agentese/archetypes.ts'
import { aspect } from '../../../../shared/contract/define-node.ts'
import { jsonObject } from '../../../../shared/contract/json-object.ts'
import { callTool } from './call.ts'
import { callImported } from './mcp/call.ts'
import { prepareTool } from './rows.ts'
import { Name, WITH_WEATHER } from './shapes.ts'

/** Bytes of JSON. */
const MAX_ARGUMENTS = 65_536

export const invoke = aspect({
  category: 'M',
  archetypes: [...BUILDERS, 'operator', 'engineer', 'scientist'],
  summary: 'Use a tool',
  effects: ['reads:tool', 'calls:tool', 'charges:tool_calls'],
  cost: () => ({ tool_calls: 1 }),
  transaction: false,
  needs: ['secrets', 'outside'],
  input: z.strictObject({
    tool: Name,
    arguments: jsonObject(MAX_ARGUMENTS).optional(),
    /** The result of the stage before: arguments, as far as `arguments` does not say otherwise. */
    input: jsonObject(MAX_ARGUMENTS).optional(),
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
    const { mcp } = prepared.tool
    const all = { ...input, ...given }
    const answer = await (mcp === null
      ? callTool(prepared, all, call)
      : callImported(prepared, mcp, all, call))
    call.charge('tool_calls', 1)
    return { tool, ...answer }
  },
})
