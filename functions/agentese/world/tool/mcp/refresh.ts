/** What has become of an imported tool at its server, and taking it as it is now. */
import { z } from 'zod'
import { aspect } from '../../../../../shared/contract/define-node.ts'
import { beginningOf } from '../../../../../shared/beginning.ts'
import { Failure } from '../../../../../shared/failures.ts'
import { prepareTool, type Prepared } from '../rows.ts'
import { createRedactor } from '../secrets.ts'
import { Name, WITH_WEATHER } from '../shapes.ts'
import { findRemoteTool, type ReadTool, type RemoteContract } from './contract.ts'
import { noteChange, pinAnew, type ImportedRow } from './rows.ts'
import { serverOf, withoutSecretsOf, type Calling } from './server.ts'
import { listRemoteTools, withServer } from './session.ts'

const MAX_DIFFERENCES = 100
/** Characters of a value that are shown. */
const SHOWN = 300

const Pin = z.string().regex(/^[0-9a-f]{64}$/, 'is no SHA-256 in hex')
const Difference = z.strictObject({
  /** Where: `description`, or a JSON Pointer into the input schema. */
  at: z.string(),
  /** As JSON; null where there is nothing. */
  pinned: z.string().nullable(),
  now: z.string().nullable(),
})
const Output = z.strictObject({
  tool: z.string(),
  /** `unpinned` is one that comes from no server. */
  status: z.enum(['unchanged', 'changed', 'gone', 'accepted', 'unpinned']),
  /** What is pinned after this call. */
  pin: z.string().nullable(),
  /** What it is at its server, to be sent as `accept`. */
  now: z.string().nullable(),
  differences: z.array(Difference),
})

export const refresh = aspect({
  category: 'M',
  archetypes: ['architect', 'developer', 'admin'],
  summary: 'Compare an imported tool with what its server says now; with accept, take it as it is',
  effects: ['writes:tool', 'calls:tool', 'charges:tool_calls'],
  cost: () => ({ tool_calls: 1 }),
  transaction: false,
  needs: ['secrets', 'outside'],
  input: z.strictObject({
    tool: Name,
    /** The `now` of an earlier answer: nothing else is taken than what somebody has seen. */
    accept: Pin.optional(),
  }),
  output: Output,
  examples: [{ summary: 'Has it changed?', input: { tool: 'weather' }, given: WITH_WEATHER }],
  async handle({ tool, accept }, call) {
    const prepared = await call.transact('read', (reading) => prepareTool(tool, reading))
    const { mcp } = prepared.tool
    if (mcp === null) return unpinned(tool, accept)
    const { read, protocol } = await look(prepared, mcp, call)
    call.charge('tool_calls', 1)
    const differences = read === undefined ? [] : compare(mcp.contract, read.contract)
    const isChanged = read?.pin !== mcp.pin
    if (accept !== undefined && isChanged) {
      if (read?.pin !== accept) throw changedAgain(tool)
      await call.transact('write', ({ db }) => pinAnew(db, tool, read, protocol))
      return { tool, status: 'accepted' as const, pin: read.pin, now: read.pin, differences }
    }
    await call.transact('write', ({ db }) => noteChange(db, tool, isChanged ? (read?.pin ?? 'gone') : null))
    const status =
      read === undefined ? ('gone' as const) : isChanged ? ('changed' as const) : ('unchanged' as const)
    return { tool, status, pin: mcp.pin, now: read?.pin ?? null, differences }
  },
})

/** The tool as its server says it is; undefined where there is none that can be taken. */
async function look({ tool, allow, secrets }: Prepared, mcp: ImportedRow, call: Calling) {
  const server = serverOf(tool, { allow, secrets })
  const redactor = createRedactor(secrets.values())
  return withoutSecretsOf(redactor, () =>
    withServer(server, call, async (session) => {
      const tools = await listRemoteTools(session, server, redactor)
      const found = findRemoteTool(tools, mcp.remote)
      const read: ReadTool | undefined = found === undefined || 'reason' in found ? undefined : found
      return { read, protocol: session.protocol }
    }),
  )
}

function compare(before: RemoteContract, after: RemoteContract): z.infer<typeof Difference>[] {
  const flat = ({ description, inputSchema }: RemoteContract) =>
    new Map([['description', JSON.stringify(description)], ...leavesOf(inputSchema, '')])
  const pinned = flat(before)
  const now = flat(after)
  const shown = (text: string | undefined) => (text === undefined ? null : beginningOf(text, SHOWN))
  return [...new Set([...pinned.keys(), ...now.keys()])]
    .filter((at) => pinned.get(at) !== now.get(at))
    .slice(0, MAX_DIFFERENCES)
    .map((at) => ({ at: beginningOf(at, SHOWN), pinned: shown(pinned.get(at)), now: shown(now.get(at)) }))
}

/** Every value that has no members, by its JSON Pointer. */
function leavesOf(value: unknown, at: string): [string, string][] {
  if (typeof value !== 'object' || value === null || Object.keys(value).length === 0)
    return [[at, JSON.stringify(value) ?? '']]
  return Object.entries(value).flatMap(([name, each]) =>
    leavesOf(each, `${at}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`),
  )
}

function unpinned(tool: string, accept: string | undefined): z.infer<typeof Output> {
  if (accept !== undefined) throw changedAgain(tool)
  return { tool, status: 'unpinned', pin: null, now: null, differences: [] }
}

function changedAgain(tool: string): Failure {
  return new Failure(
    'STATE_CONFLICT',
    `Cannot accept tool "${tool}": it is not, or no more, what you have seen`,
    {
      suggestion: 'Read its differences again, and accept what `now` says',
    },
  )
}
